"""The text of nginx.conf, for each case in golden/nginx-*.txt: the variables, a line of dashes, what must come out.

`python tests/unit/test_nginx_template.py` writes the second part anew after a wanted change of the template; the
difference is for the reviewer to read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import pytest
import yaml

TEMPLATES = Path(__file__).resolve().parents[2] / "components" / "proxy"
CASES = sorted((Path(__file__).parent / "golden").glob("nginx-*.txt"))
DASHES = "\n---\n"


def environment() -> jinja2.Environment:
    """As the proxy component has it."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is nginx configuration
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(variables: dict[str, Any]) -> str:
    return environment().get_template("nginx.conf.j2").render(variables)


def variables_of(case: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(case.read_text(encoding="utf-8").split(DASHES)[0])
    return loaded


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_configuration_is_what_the_golden_file_says(case: Path) -> None:
    expected = case.read_text(encoding="utf-8").split(DASHES, maxsplit=1)[1]
    assert render(variables_of(case)) == expected


def test_the_template_uses_every_variable_that_it_documents_and_no_other() -> None:
    source = (TEMPLATES / "nginx.conf.j2").read_text(encoding="utf-8")
    documented = {line.split()[0] for line in source.partition("#}")[0].splitlines()[3:] if line.strip()}
    assert documented == jinja2.meta.find_undeclared_variables(environment().parse(source))


@pytest.mark.parametrize("name", sorted(variables_of(CASES[0])))
def test_a_variable_that_is_missing_is_an_error_that_names_it(name: str) -> None:
    variables = variables_of(CASES[0])
    del variables[name]
    with pytest.raises(jinja2.UndefinedError, match=f"'{name}' is undefined"):
        render(variables)


def test_a_policy_cannot_end_its_own_string_or_read_a_variable_of_nginx() -> None:
    text = render({**variables_of(CASES[0]), "csp": 'a"; evil on; $host \\'})
    assert '"a\\"; evil on; ${dollar}host \\\\";' in text


def test_headers_are_set_in_one_place_because_a_location_that_adds_one_drops_all() -> None:
    text = render(variables_of(CASES[0]))
    depths = []
    depth = 0
    for line in text.splitlines():
        if line.strip().startswith("add_header "):
            depths.append(depth)
        depth += line.count("{") - line.count("}")
    assert depths
    assert set(depths) == {1}


if __name__ == "__main__":
    for golden in CASES:
        head = golden.read_text(encoding="utf-8").split(DASHES)[0]
        golden.write_text(head + DASHES + render(variables_of(golden)), encoding="utf-8")
