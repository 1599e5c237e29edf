"""A Hugging Face hub over a folder: ``folder/owner/name/commit/file``, spoken to over HTTP.

Only what creating a repository, uploading a small file and downloading one need.
"""

import base64
import hashlib
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hub(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            given = json.loads(body)
            repo = f"{given['organization']}/{given['name']}"
            (self.folder / repo).mkdir(parents=True, exist_ok=True)
            self.answer({"url": f"http://{self.headers['Host']}/{repo}"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            regular = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self.answer({"files": [{"path": file["path"], **regular} for file in files]})
        else:
            self.commit(body)

    def commit(self, body):
        repo, revision = re.fullmatch(r"/api/models/(.+)/commit/(\w+)", self.path).groups()
        commit = hashlib.sha1(body).hexdigest()
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                for name in (commit, revision):
                    target = self.folder / repo / name / line["value"]["path"]
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(content)
        (self.folder / repo / revision / "commit").write_text(commit)
        url = f"http://{self.headers['Host']}/{repo}/commit/{commit}"
        self.answer({"commitUrl": url, "commitOid": commit, "success": True})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        repo, revision, name = re.fullmatch(r"/(.+)/resolve/(\w+)/(.+)", self.path).groups()
        file = self.folder / repo / revision / name
        if not file.is_file():
            for kind in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
                levels = {"RepoNotFound": repo, "RevisionNotFound": f"{repo}/{revision}"}
                if not (self.folder / levels.get(kind, "nothing there")).is_dir():
                    self.answer({"error": kind}, 404, {"X-Error-Code": kind})
                    return
        marked = file.with_name("commit")
        commit = marked.read_text() if marked.exists() else revision
        content = file.read_bytes()
        tag = hashlib.sha1(content).hexdigest()
        self.answer(content, 200, {"X-Repo-Commit": commit, "ETag": f'"{tag}"'})

    def answer(self, content, status=200, headers=None):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


def serve(folder):
    """Return a server on a port that is free, for a thread of its own."""
    handler = type("HubOfFolder", (Hub,), {"folder": Path(folder)})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)


if __name__ == "__main__":
    server = serve(sys.argv[1])
    print(server.server_port, flush=True)
    server.serve_forever()
