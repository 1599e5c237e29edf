"""Print the lowest version of every dependency that pyproject.toml allows, for pip.

The lower bounds of pytest and its plugins count too; the tools that only look at the code do not.
"""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
NEEDED = ("pytest", "hypothesis")

extras = PROJECT["optional-dependencies"]
wanted = [*PROJECT["dependencies"], *extras["plot"], *extras["progress"]]
wanted += [line for line in extras["dev"] if re.match(r"[\w-]+", line)[0] in NEEDED]
for requirement in wanted:
    name, lowest = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()
    print(f"{name}=={lowest}")
