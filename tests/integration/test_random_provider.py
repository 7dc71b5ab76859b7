"""The plugin "random", as a program and the engine see it, from creation to deletion, for every type."""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine import Engine
from tests.integration.pulumi_project import PulumiError

EVERY_TYPE = """
random.RandomBytes("bytes", length=12, keepers=KEEPERS)
random.RandomId("id", byte_length=6, prefix="p-", keepers=KEEPERS)
random.RandomInteger("integer", min=1, max=50000, seed="abc", keepers=KEEPERS)
random.RandomPassword("password", length=24, min_upper=5, override_special="_", keepers=KEEPERS)
random.RandomPet("pet", length=3, prefix="the", separator="_", keepers=KEEPERS)
random.RandomShuffle("shuffle", inputs=["a", "b", "c", "d"], seed="abc", keepers=KEEPERS)
random.RandomString("string", length=9, special=False, keepers=KEEPERS)
random.RandomUuid("uuid", keepers=KEEPERS)
random.RandomUuid4("uuid4", keepers=KEEPERS)
random.RandomUuid7("uuid7", keepers=KEEPERS)
"""
TYPES = {"bytes", "id", "integer", "password", "pet", "shuffle", "string", "uuid", "uuid4", "uuid7"}
SEEDED = {"integer", "shuffle"}


def every_type(keepers: dict[str, str]) -> str:
    return f"KEEPERS = {keepers!r}\n{EVERY_TYPE}"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "project")


def test_every_type_lives_from_creation_to_deletion(engine: Engine) -> None:
    engine.write(every_type({"round": "1"}))
    assert engine.preview().operations == dict.fromkeys(TYPES, "create")
    assert engine.up().operations == dict.fromkeys(TYPES, "create")
    first = engine.values()

    assert engine.up().changes == {}
    engine.refresh()
    assert engine.values() == first, "a refresh changed a value"
    assert engine.up().changes == {}, "nothing was to do after a refresh"

    engine.write(every_type({"round": "2"}))
    planned = engine.preview()
    assert planned.operations == dict.fromkeys(TYPES, "create-replacement")
    assert all(list(step.differences) == ["keepers"] for step in planned.steps.values())
    replaced = engine.up()
    assert replaced.changes == dict.fromkeys(TYPES, "create-replacement")
    for name in TYPES:
        created, deleted = replaced.order.index(f"create-replacement {name}"), f"delete-replaced {name}"
        assert created < replaced.order.index(deleted), f"{name} was deleted before its replacement was there"
    again = engine.values()
    same = {name for name in TYPES if again[name] == {**first[name], "keepers": {"round": "2"}}}
    assert same == SEEDED, "only a seed gives the same value twice"

    assert engine.destroy().operations == dict.fromkeys(TYPES, "delete")
    assert engine.project.resources() == {}


@pytest.mark.long
def test_values_have_the_form_that_was_asked_for(engine: Engine) -> None:
    engine.write(every_type({}))
    engine.up()
    states, values = engine.project.resources(), engine.values()

    password = values["password"]
    assert re.fullmatch(r"[A-Za-z0-9_]{24}", password["result"])
    assert sum(character.isupper() for character in password["result"]) >= 5
    assert password["bcryptHash"].startswith("$2a$10$")
    assert states["password"]["id"] == "none"
    defaults = {"lower": True, "numeric": True, "number": True, "special": True, "upper": True, "minLower": 0}
    assert defaults.items() <= password.items()

    string = values["string"]
    assert re.fullmatch(r"[A-Za-z0-9]{9}", string["result"])
    assert states["string"]["id"] == string["result"]

    identifier = values["id"]
    raw = base64.urlsafe_b64decode(identifier["b64Url"].removeprefix("p-") + "==")
    assert len(raw) == 6
    assert identifier["b64Std"] == "p-" + base64.b64encode(raw).decode()
    assert identifier["hex"] == "p-" + raw.hex()
    assert identifier["dec"] == f"p-{int.from_bytes(raw, 'big')}"
    assert "p-" + states["id"]["id"] == identifier["b64Url"]

    secret = values["bytes"]
    assert len(binascii.unhexlify(secret["hex"])) == 12
    assert base64.b64decode(secret["base64"]).hex() == secret["hex"]

    assert re.fullmatch(r"the_[a-z]+_[a-z]+_[a-z]+", states["pet"]["id"])
    assert sorted(values["shuffle"]["results"]) == ["a", "b", "c", "d"]
    assert 1 <= values["integer"]["result"] <= 50000
    assert uuid.UUID(values["uuid4"]["result"]).version == 4
    assert uuid.UUID(values["uuid7"]["result"]).version == 7
    assert str(uuid.UUID(values["uuid"]["result"])) == states["uuid"]["id"]


def test_what_is_secret_is_neither_in_the_state_nor_shown(engine: Engine) -> None:
    engine.write(every_type({}))
    run = engine.up()
    assert engine.secret_outputs("password") == {"result", "bcryptHash"}
    assert engine.secret_outputs("bytes") == {"base64", "hex"}
    engine.refresh()
    assert engine.secret_outputs("password") == {"result", "bcryptHash"}, "a refresh laid a secret open"
    seen = engine.project.state_text() + str(run.events) + engine.project.pulumi("preview", "--diff")
    for name in ("result", "bcryptHash"):
        assert engine.outputs("password")[name] not in seen


def test_a_seed_gives_the_values_that_it_gives_with_the_official_plugin(engine: Engine) -> None:
    engine.write(
        """
        random.RandomInteger("three", min=1, max=3, seed="12345")
        random.RandomInteger("two", min=1, max=3, seed="123456")
        random.RandomShuffle("shuffle", inputs=["a", "b", "c", "d", "e"], seed="-")
        """
    )
    engine.up()
    values = engine.values()
    assert (values["three"]["result"], values["two"]["result"]) == (3, 2)
    assert values["shuffle"]["results"] == ["a", "c", "b", "e", "d"]


@pytest.mark.long
def test_writing_a_default_out_is_no_change(engine: Engine) -> None:
    engine.write('random.RandomString("text", length=8)\nrandom.RandomPet("pet")')
    engine.up()
    engine.write(
        """
        random.RandomString("text", length=8, special=True, upper=True, lower=True, numeric=True, min_lower=0)
        random.RandomPet("pet", length=2, separator="-")
        """
    )
    assert engine.up().changes == {}


@pytest.mark.long
def test_an_empty_list_of_special_characters_is_taken_away_in_place(engine: Engine) -> None:
    engine.write(
        """
        random.RandomString("text", length=8, override_special="")
        random.RandomPassword("password", length=8, override_special="")
        """
    )
    engine.up()
    before = engine.outputs("text")["result"], engine.outputs("password")["result"]
    engine.write('random.RandomString("text", length=8)\nrandom.RandomPassword("password", length=8)')
    assert engine.up().changes == {"text": "update", "password": "update"}
    assert (engine.outputs("text")["result"], engine.outputs("password")["result"]) == before
    assert engine.secret_outputs("password") == {"result", "bcryptHash"}
    assert engine.up().changes == {}


CHANGES = {
    "length": ('RandomPassword("length", length=8)', 'RandomPassword("length", length=9)'),
    "special": ('RandomPassword("special", length=8)', 'RandomPassword("special", length=8, special=False)'),
    "minNumeric": ('RandomPassword("minNumeric", length=8)', 'RandomPassword("minNumeric", length=8, min_numeric=2)'),
    "overrideSpecial": (
        'RandomString("overrideSpecial", length=8, override_special="-")',
        'RandomString("overrideSpecial", length=8, override_special="+")',
    ),
    "prefix": ('RandomId("prefix", byte_length=4)', 'RandomId("prefix", byte_length=4, prefix="x")'),
    "byteLength": ('RandomId("byteLength", byte_length=4)', 'RandomId("byteLength", byte_length=5)'),
    "max": ('RandomInteger("max", min=1, max=2)', 'RandomInteger("max", min=1, max=3)'),
    "seed": ('RandomInteger("seed", min=1, max=3)', 'RandomInteger("seed", min=1, max=3, seed="12345")'),
    "separator": ('RandomPet("separator")', 'RandomPet("separator", separator="+")'),
    "inputs": ('RandomShuffle("inputs", inputs=["a"])', 'RandomShuffle("inputs", inputs=["a", "b"])'),
    "resultCount": (
        'RandomShuffle("resultCount", inputs=["a"])',
        'RandomShuffle("resultCount", inputs=["a"], result_count=2)',
    ),
    "keepers": ('RandomUuid("keepers", keepers={"a": "b"})', 'RandomUuid("keepers")'),
}


@pytest.mark.long
def test_another_value_is_made_when_an_argument_changes(engine: Engine) -> None:
    engine.write("\n".join(f"random.{before}" for before, _ in CHANGES.values()))
    engine.up()
    engine.write("\n".join(f"random.{after}" for _, after in CHANGES.values()))
    planned = engine.preview().steps
    assert {name: list(step.differences) for name, step in planned.items()} == {name: [name] for name in CHANGES}
    assert engine.up().changes == dict.fromkeys(CHANGES, "create-replacement")
    assert engine.up().changes == {}


IMPORTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "RandomPassword": ("sup3rsecret", "none", {"result": "sup3rsecret", "length": 11}),
    "RandomString": ("mydata", "mydata", {"result": "mydata", "length": 6, "special": True}),
    "RandomId": ("p-,p-9hUg", "p-9hUg", {"prefix": "p-", "hex": "p-a7ef6152", "byteLength": 4}),
    "RandomBytes": ("8/fu3q+2DcgSJ19i0jZ5Cw==", "8/fu3q+2DcgSJ19i0jZ5Cw==", {"length": 16}),
    "RandomInteger": ("15390,1,50000,abc", "15390", {"result": 15390, "min": 1, "max": 50000, "seed": "abc"}),
    "RandomUuid": (*("aabbccdd-eeff-0011-2233-445566778899",) * 2, {}),
    "RandomUuid4": (*("6b0f8e7c-3adc-4b63-a3d4-fc75b0e5e8b1",) * 2, {}),
    "RandomUuid7": (*("0196a2b8-7d4b-7e1c-8c3a-9d1f2e3b4c5d",) * 2, {}),
}


@pytest.mark.long
def test_values_that_exist_are_imported_and_then_kept(engine: Engine, tmp_path: Path) -> None:
    wanted = [{"type": type_token(kind), "name": kind, "id": given} for kind, (given, _, _) in IMPORTS.items()]
    (tmp_path / "imports.json").write_text(json.dumps({"resources": wanted}), encoding="utf-8")
    engine.project.pulumi(
        *("import", "--file", str(tmp_path / "imports.json"), "--generate-code=false", "--yes", "--protect=false")
    )
    states, values = engine.project.resources(), engine.values()
    for kind, (_, identifier, outputs) in IMPORTS.items():
        assert states[kind]["id"] == identifier
        assert outputs.items() <= values[kind].items()
    assert engine.secret_outputs("RandomPassword") == {"result", "bcryptHash"}
    assert engine.secret_outputs("RandomBytes") == {"base64", "hex"}
    engine.write(
        """
        random.RandomPassword("RandomPassword", length=11)
        random.RandomString("RandomString", length=6)
        random.RandomId("RandomId", byte_length=4, prefix="p-")
        random.RandomBytes("RandomBytes", length=16)
        random.RandomInteger("RandomInteger", min=1, max=50000, seed="abc")
        random.RandomUuid("RandomUuid")
        random.RandomUuid4("RandomUuid4")
        random.RandomUuid7("RandomUuid7")
        """
    )
    assert engine.up().changes == {}


@pytest.mark.long
@pytest.mark.parametrize("kind", ["RandomPet", "RandomShuffle"])
def test_what_cannot_be_imported_says_so(engine: Engine, kind: str) -> None:
    engine.write("")
    with pytest.raises(PulumiError, match=f"{kind} cannot be imported"):
        engine.project.pulumi("import", type_token(kind), "r", "some-name", "--yes", "--generate-code=false")


@pytest.mark.long
def test_arguments_that_cannot_be_met_are_refused_before_anything_is_made(engine: Engine) -> None:
    engine.write('random.RandomPassword("password", length=3, min_lower=2, min_upper=2)')
    failed = engine.try_up()
    assert "length" in failed.failure
    assert "must be at least minUpper + minLower + minNumeric + minSpecial = 4, got 3" in failed.failure
    assert engine.project.resources() == {}


@pytest.mark.long
def test_an_argument_that_is_known_only_later_is_judged_then(engine: Engine) -> None:
    engine.write(
        """
        number = random.RandomInteger("number", min=12, max=12)
        random.RandomPassword("password", length=number.result, keepers={"number": number.id})
        """
    )
    assert engine.preview().operations == {"number": "create", "password": "create"}
    engine.up()
    assert len(engine.outputs("password")["result"]) == 12


def test_a_state_of_the_official_plugin_is_taken_over_as_it_is(engine: Engine, tmp_path: Path) -> None:
    engine.write(every_type({"round": "1"}))
    engine.up()
    exported = tmp_path / "state.json"
    exported.write_text(
        engine.project.pulumi("stack", "export").replace(
            '"__meta":', '"__pulumi_raw_state_delta": {"obj": {}}, "__meta":'
        ),
        encoding="utf-8",
    )
    engine.project.pulumi("stack", "import", "--file", str(exported))
    assert engine.outputs("password")["__meta"] == '{"schema_version":"3"}'
    assert "__pulumi_raw_state_delta" in engine.outputs("password")
    assert engine.up().changes == {}
    engine.refresh()
    assert engine.up().changes == {}


def type_token(kind: str) -> str:
    return f"random:index/{kind[0].lower()}{kind[1:]}:{kind}"
