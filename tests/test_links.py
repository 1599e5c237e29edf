"""The tool that looks up links between built pages finds what is broken, and nothing else."""

from tools.links import broken_links


def test_links_to_nowhere_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/template.html").write_text('<a href="{{ anything }}">')
    (tmp_path / "sub/page.html").write_text('<h1 id="here"><a href="../index.html#top">')
    (tmp_path / "index.html").write_text(
        '<p id="top"><a href="sub/page.html#here"><a href="#top"><a href="https://example.org">'
        '<a href="sub/page.html#there"><img src="absent%20picture.png"><a href="#bottom">'
    )
    assert broken_links(tmp_path) == [
        "index.html: no place #bottom",
        "index.html: no file absent%20picture.png",
        "index.html: no place sub/page.html#there",
    ]
