"""The commands about files, as a user runs them; and that every text they may say is in three languages."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gagyo
from gagyo.cli import exits, main, speech
from gagyo.errors import DataFault, FileFault, GagyoError, Refused, SiteSilent, Stopped, Tampered
from gagyo.text import LANGUAGES, catalogue
from tests.shapes import read_json

SOURCE = Path(gagyo.__file__).parent
MINE = (
    *(SOURCE / "protocol" / f"{name}.py" for name in ("cohort", "formula", "guards", "study", "written")),
    SOURCE / "site" / "site_file.py",
    *(SOURCE / "site" / "mapping").glob("*.py"),
    *(SOURCE / "site" / "connectors").glob("*.py"),
)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return int(left.value.code or 0), shown.out, shown.err


@pytest.fixture
def study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    code, *_ = run(capsys, "new", tmp_path / "study")
    assert code == exits.OK
    return tmp_path / "study"


def test_new_writes_a_study_that_checks(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--language", "en", "check", study / "study.yaml")[0] == exits.OK
    for site in ("seoul", "beijing"):
        code, out, _ = run(capsys, "site", "check", study / "sites" / f"{site}.yaml", "--study", study / "study.yaml")
        assert code == exits.OK
        assert "240" in out
    (study / "sites" / "seoul.csv").read_bytes().decode("cp949")
    (study / "sites" / "beijing.csv").read_bytes().decode("gb18030")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_of_another_user_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def forbidden(self: Path, *_: object) -> None:
        raise OSError(number, "no", str(self))

    monkeypatch.setattr(Path, "chmod", forbidden)
    monkeypatch.chdir(tmp_path)
    for language, word in (("en", "owns"), ("ko", "소유"), ("zh", "所有者")):
        code, _, err = run(capsys, "--language", language, "hub", "init", ".", "--country", "KR")
        assert code == exits.FAULT
        assert word in err
        assert str(tmp_path) in err
        assert str(os.getuid()) in err


def test_a_database_that_cannot_be_opened_is_no_traceback(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever types a command as another user than the service's reads whose it is."""
    (study / "sites" / "state" / "seoul" / "inbox.sqlite").mkdir(parents=True)
    for language, word in (("en", "whose service it is"), ("ko", "데이터베이스"), ("zh", "数据库")):
        code, _, said = run(capsys, "--language", language, "site", "inbox", study / "sites" / "seoul.yaml")
        assert code == exits.FAULT
        assert word in said
        assert str(os.getuid()) in said


def test_a_place_that_cannot_be_made_is_named(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (study / "study.yaml" / "out", Path("/proc/gagyo/out")):
        code, _, said = run(capsys, "rehearse", study / "study.yaml", "--out", place)
        assert (code, "Traceback" in said) == (exits.FAULT, False)
        assert str(place.parent) in said


def test_a_file_of_the_other_kind_is_called_what_it_is(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not by thirty faults of a file that is sound."""
    seoul, folder = study / "sites" / "seoul.yaml", study / "sites"
    assert run(capsys, "--language", "en", "check", seoul)[2].splitlines() == [
        f"{seoul}: this is a hospital's site file. Expected: a study file, such as study.yaml; name that one."
    ]
    said = run(capsys, "--language", "zh", "site", "ledger", study / "study.yaml")[2]
    assert said.splitlines() == [
        f"{study / 'study.yaml'}: 这是研究文件，应为医院的机构文件（例如 seoul.yaml）。请指定该文件。"
    ]
    assert run(capsys, "--language", "en", "check", folder)[2] == f"{folder} is a folder. Name a file in it.\n"


def test_new_never_overwrites(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "new", study)[0] == exits.USAGE
    assert run(capsys, "new", study / "none" / "..")[0] == exits.USAGE


@pytest.mark.parametrize("language", LANGUAGES)
def test_faults_are_said_in_the_language(study: Path, capsys: pytest.CaptureFixture[str], language: str) -> None:
    page = study / "study.yaml"
    page.write_text(page.read_text(encoding="utf-8").replace("age >= 18", "agee >= 18"), encoding="utf-8")
    code, out, err = run(capsys, "check", page, "--language", language)
    assert (code, out) == (exits.FAULT, "")
    assert {"en": "Did you mean age?", "ko": "혹시 age입니까?", "zh": "是否为 age？"}[language] in err
    assert re.search(r"study\.yaml:\d+ cohorts\.adults\.where", err)


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--language", "en", "check", tmp_path / "nope.yaml")
    assert code == exits.FAULT
    assert err.count("nope.yaml") == 1


def test_json_for_programs(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = study / "study.yaml"
    assert read_json("check", run(capsys, "check", page, "--json")[1]) == {"ok": True, "findings": []}
    page.write_text(page.read_text(encoding="utf-8").replace("seed", "sed") + "sed: 1\n", encoding="utf-8")
    code, out, _ = run(capsys, "check", page, "--json")
    assert code == exits.FAULT
    assert [finding["code"] for finding in read_json("check", out)["findings"]] == ["unknown_key"]
    site = study / "sites" / "seoul.yaml"
    page.write_text(page.read_text(encoding="utf-8").replace("sed: 1\n", ""), encoding="utf-8")
    assert read_json("site check", run(capsys, "site", "check", site, "--study", page, "--json")[1])["people"] == 240
    site.write_text(site.read_text(encoding="utf-8").replace("비흡연: never, ", ""), encoding="utf-8")
    report = read_json("site check", run(capsys, "site", "check", site, "--study", page, "--json")[1])
    assert report["variables"][2]["unmapped"][0][0] == "비흡연"
    assert "비흡연" not in report["findings"][0]["message"], "findings are safe to show anywhere"


def test_a_site_with_faults_leaves_with_1_and_the_report(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = study / "sites" / "seoul.yaml"
    site.write_text(site.read_text(encoding="utf-8").replace("비흡연: never, ", ""), encoding="utf-8")
    code, out, _ = run(capsys, "site", "check", site, "--study", study / "study.yaml")
    assert code == exits.FAULT
    assert "비흡연" in out


def test_faults_of_a_site_file_are_told_with_those_against_the_study(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that is none, a unit that is another's and a column that is not there: one command tells all, once each."""
    site = study / "sites" / "seoul.yaml"
    text = site.read_text(encoding="utf-8")
    known = read_json("site check", run(capsys, "site", "check", site, "--study", study / "study.yaml", "--json")[1])
    first, second, third = (one["name"] for one in known["variables"][:3])
    for name, broken in ((first, "kolumn: nowhere"), (second, "column: nowhere"), (third, "column: [a, b]")):
        text = re.sub(rf"^  {name}: .*$", f"  {name}: {{{broken}}}", text, flags=re.MULTILINE)
    site.write_text(text.replace("country: KR", "country: Korea"), encoding="utf-8")
    code, _, err = run(capsys, "site", "check", site, "--study", study / "study.yaml")
    assert code == exits.FAULT
    told = [line.partition(": ")[0].partition(" ")[2] for line in err.splitlines()]
    assert [one for one in told if one.startswith("country")] == ["country"]
    assert told.count(f"variables.{second}") == 2  # the column is not there, and the unit is not said
    assert f"variables.{first}.kolumn" in told
    assert [one for one in told if one.startswith(f"variables.{third}")] == [f"variables.{third}.column"]


@pytest.mark.parametrize("kind", ["study", "site"])
def test_schema_prints_json(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    code, out, _ = run(capsys, "schema", kind)
    assert code == exits.OK
    assert json.loads(out)["$schema"].endswith("2020-12/schema")


def test_an_unknown_language_is_a_usage_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--language", "fr", "schema", "study")[0] == exits.USAGE


def test_the_language_comes_from_option_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("GAGYO_LANGUAGE", raising=False)
    assert speech.wanted([]) == "ko"
    monkeypatch.setenv("GAGYO_LANGUAGE", "zh")
    assert speech.wanted(["check"]) == "zh"
    assert speech.wanted(["check", "--language", "en"]) == "en"
    assert speech.wanted(["--language=ko"]) == "ko"
    assert speech.ahead(["check", "x", "--language", "en"]) == ["--language", "en", "check", "x"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_is_in_the_language(capsys: pytest.CaptureFixture[str], language: str) -> None:
    code, out, _ = run(capsys, "--language", language, "--help")
    assert code == exits.OK
    assert catalogue(language)["cli.check.help"][:8] in out  # type: ignore[index]


def test_exit_codes_tell_the_errors_apart() -> None:
    kinds: list[type[GagyoError]] = [FileFault, DataFault, Refused, SiteSilent, Tampered, Stopped]
    assert [exits.code_of(kind()) for kind in kinds] == [1, 1, 3, 4, 5, 6]


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(SOURCE.parent), "PATH": "", "LANG": "en_US.UTF-8", "PYTHONUTF8": "1"}


HEAVY = {"scipy.stats", "scipy.optimize", "pandas", "matplotlib", "sklearn", "sqlglot", "pint", "rich"}


def test_a_service_at_rest_and_the_python_door_load_nothing_that_few_need() -> None:
    """Each of these takes a tenth of a second to a whole one, at every start of every hospital."""
    loaded = _loaded("import gagyo.api, gagyo.site.service")
    assert "gagyo.site.site" in loaded
    assert not loaded & HEAVY


def test_no_method_loads_the_heavy_ones_but_for_roots_and_minima() -> None:
    program = (
        "import importlib, pkgutil, gagyo.methods as m; "
        "[importlib.import_module('gagyo.methods.' + one.name) for one in pkgutil.iter_modules(m.__path__)]"
    )
    loaded = _loaded(program)
    assert "gagyo.methods.validate" in loaded
    assert loaded & HEAVY <= {"scipy.optimize"}


def _loaded(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
        env=_environment(),
    )
    return set(done.stdout.split())


def test_help_imports_nothing_heavy() -> None:
    """What makes `gagyo --help` quick on any machine; `make bench` measures how quick."""
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from gagyo.cli import main; main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, env=_environment()
    )
    assert "check" in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "gagyo.cli" in loaded
    assert not loaded & {"numpy", "polars", "pydantic", "sqlglot", "pint", "yaml", "scipy"}


# ── every code has three languages ────────────────────────────────────────────────────────────────────────────────


def codes(path: Path) -> set[str]:
    """The finding codes that a file makes: the first argument of the calls that make findings."""
    makers = {"Finding", "fault", "_fault", "_Bad", "_Untyped"}
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in makers:
            found.add(str(node.args[0].value))
    return found


@pytest.mark.parametrize("path", MINE, ids=lambda path: path.stem)
def test_every_finding_code_is_in_three_languages(path: Path) -> None:
    for language in LANGUAGES:
        assert {f"findings.{code}" for code in codes(path)} <= set(catalogue(language))


@pytest.mark.parametrize("area", ["findings", "expected", "cli", "mapping"])
def test_the_languages_have_the_same_keys_and_places(area: str) -> None:
    english = {key: text for key, text in catalogue("en").items() if key.split(".")[0] == area}
    for language in LANGUAGES:
        theirs = {key: text for key, text in catalogue(language).items() if key.split(".")[0] == area}
        assert english.keys() == theirs.keys()
        for key, text in english.items():
            assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", theirs[key])), key


@pytest.mark.parametrize("broken", ["cut", "other"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_results_that_cannot_be_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, broken: str
) -> None:
    """Cut off in the middle, or with texts that this version does not have; what is whole makes a report."""
    text = (Path(__file__).parents[1] / "fixtures" / "results.json").read_text(encoding="utf-8")
    file = tmp_path / "results.json"
    file.write_text(text, encoding="utf-8")
    assert run(capsys, "--language", language, "report", tmp_path)[0] == exits.OK
    file.write_text(text[:2000] if broken == "cut" else text.replace('"key": "', '"key": "gone.'), encoding="utf-8")
    code, out, err = run(capsys, "--language", language, "report", tmp_path)
    assert (code, out) == (exits.FAULT, "")
    assert str(file) in err
    assert "Traceback" not in err


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "gagyo", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == exits.OK
    assert "gagyo" in done.stdout


def test_faults_of_analyses_are_told_with_those_of_the_file(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study / "study.yaml"
    text = file.read_text(encoding="utf-8").replace("purpose: scientific_research", "purpose: research")
    text = text.replace("method: describe", "method: descrbe").replace("+ glucose +", "+ glucos +")
    file.write_text(text, encoding="utf-8")
    code, _, err = run(capsys, "--language", "en", "check", file)
    assert code == exits.FAULT
    places = [line.split(" ")[1].rstrip(":") for line in err.strip().split("\n")]
    assert places == ["purpose", "analyses.characteristics.method", "analyses.algorithm.formula"]


def test_every_analysis_is_looked_at_whatever_is_wrong_with_another(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study / "study.yaml"
    more = "  one: {method: describe, cohort: adults, variables: [agee]}\n"
    more += "  two: {method: compare, cohort: adults, variables: [age], by: smokin}\n"
    file.write_text(file.read_text(encoding="utf-8").replace("analyses:\n", f"analyses:\n{more}"), encoding="utf-8")
    _, _, err = run(capsys, "--language", "en", "check", file)
    assert "analyses.one" in err
    assert "analyses.two" in err


def test_a_variable_whose_declaration_is_faulty_is_not_called_unknown(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("type: integer", "type: int"), encoding="utf-8")
    _, _, err = run(capsys, "--language", "en", "check", file)
    (line,) = err.strip().split("\n")
    assert "variables.age.type" in line


def test_a_variable_of_an_unknown_type_is_read_as_far_as_it_goes(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = study / "study.yaml"
    text = page.read_text(encoding="utf-8").replace("type: boolean", "type: boolen")
    page.write_text(text.replace("{en: Disease, ko: 질환, zh: 患病}", "{en: Disease, ko: 질환}"), encoding="utf-8")
    code, _, err = run(capsys, "--language", "en", "check", page)
    assert code == 1
    assert "found boolen" in err
    assert "found en, ko; missing zh" in err


def test_a_key_is_offered_once(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study / "sites" / "seoul.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("{column: 나이", "{colum: 나이"), encoding="utf-8")
    _, _, err = run(capsys, "--language", "en", "site", "check", file, "--study", study / "study.yaml")
    assert "column, unit" in err
    assert "column, column" not in err


def test_faults_of_a_site_file_come_with_what_its_rows_lack(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study / "sites" / "seoul.yaml"
    text = file.read_text(encoding="utf-8").replace("site: seoul", "site: soul").replace("column: 나이", "column: 연령")
    text = text.replace("policy: {minimum_people: 10", "policy: {referral: [mixd], minimum_people: 10")
    file.write_text(text, encoding="utf-8")
    code, out, err = run(capsys, "--language", "en", "site", "check", file, "--study", study / "study.yaml")
    assert code != exits.OK
    assert [word in err for word in ("soul", "연령", "mixd")] == [True, True, True]
    assert "나이" in out, "the columns that there are"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("data: {connector: csv, path: seoul.csv}", "encoding"),
        ("data: {connector: csv, path: seoul.csv, encoding: hangul}", "hangul"),
        ("data: {connector: excel, path: seoul.csv}", "excel"),
        ("data: {path: seoul.csv}", "connector"),
    ],
)
def test_a_site_file_that_does_not_say_how_its_rows_are_read_is_told_so(
    study: Path, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    file = study / "sites" / "seoul.yaml"
    written = file.read_text(encoding="utf-8").replace("data: {connector: csv, path: seoul.csv, encoding: cp949}", line)
    file.write_text(written, encoding="utf-8")
    code, out, err = run(capsys, "--language", "en", "site", "check", file, "--study", study / "study.yaml")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert told in err
    assert "seoul.yaml:5 data" in err


def test_a_variable_that_is_not_mapped_is_told_beside_a_faulty_one(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study / "sites" / "seoul.yaml"
    text = file.read_text(encoding="utf-8")
    text = text.replace("glucose: {column", "glucose: {colum").replace("  disease: {", "  diseases: {")
    file.write_text(text, encoding="utf-8")
    code, _, err = run(capsys, "--language", "en", "site", "check", file, "--study", study / "study.yaml")
    assert code == 1
    told = [line for line in err.splitlines() if "is not mapped" in line]
    assert len(told) == 1
    assert "disease is not mapped" in told[0]
    assert "diseases" in told[0]


def test_what_each_hospital_counts_first_is_told_before_approval(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many numbers as its receipt says, in the check, the plan and the inbox: they leave for each hospital alone."""
    command = (study / "study.yaml", "--sites", study / "sites", "--out", study / "out")
    assert run(capsys, "run", *command)[0] == exits.OK
    links = [json.loads(line) for line in (study / "out" / "ledgers" / "seoul.jsonl").read_text().split("\n") if line]
    (first,) = [link["record"]["numbers"] for link in links if link["record"]["step"] == "preflight"]
    said = catalogue("en")["cli.plan.first"].split(":")[0]
    for file in (study / "study.yaml", study / "out" / "plan.json"):
        _, out, _ = run(capsys, "--language", "en", "plan", file)
        (line,) = [line for line in out.split("\n") if line.startswith(said)]
        assert f": {first} numbers" in line


def test_an_analysis_stands_after_the_one_that_it_starts_from(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study / "study.yaml"
    text = file.read_text(encoding="utf-8")
    start, end = text.index("  validation:"), text.index("\nrelease:")
    moved = text[:start] + text[end:]
    file.write_text(moved.replace("  algorithm:", f"{text[start:end].rstrip()}\n  algorithm:"), encoding="utf-8")
    code, _, err = run(capsys, "--language", "en", "check", file)
    assert code == exits.FAULT
    assert "analyses.validation.model: algorithm comes after validation" in err


def test_an_amendment_tells_what_is_now_counted_first(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = study / "old.json", study / "study.yaml"
    old.write_text(run(capsys, "plan", new, "--json")[1], encoding="utf-8")
    text = new.read_text(encoding="utf-8")
    said = catalogue("en")["cli.plan.first"].split(":")[0]
    new.write_text(text.replace("title:", "seed: 2\ntitle:", 1), encoding="utf-8")
    assert said not in run(capsys, "--language", "en", "plan", new, "--compare", old)[1]
    more = "  weight: {type: number, unit: kg, range: [0, 300], label: {en: W, ko: W, zh: W}}\n"
    new.write_text(text.replace("variables:  ", f"variables:\n{more}#", 1), encoding="utf-8")
    _, out, err = run(capsys, "--language", "en", "plan", new, "--compare", old)
    assert f"{said}: 16 numbers" in out, err
