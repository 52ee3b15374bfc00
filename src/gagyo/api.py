"""The same from Python: plan a study, run it at hospitals in this process, verify and report what came out."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gagyo import report
from gagyo.canonical import digest
from gagyo.coordinator import verify as verifying
from gagyo.coordinator.board import Board
from gagyo.coordinator.dossier import Brought, write_dossier
from gagyo.coordinator.feasibility import Feasibility
from gagyo.coordinator.feasibility import feasibility as weigh
from gagyo.coordinator.folder import check_version, finish, open_folder, write
from gagyo.coordinator.planning import check, make_plan
from gagyo.coordinator.run import Progress, Run, run
from gagyo.coordinator.sizes import required
from gagyo.errors import FileFault, GagyoError, Stopped, check_none
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation.line import Line
from gagyo.finding import Finding
from gagyo.governance.approval import Statement
from gagyo.governance.evidence import Evidence
from gagyo.governance.pack import Pack
from gagyo.protocol.counting import counting_of
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.release.decision import Answer
from gagyo.result import Result
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from gagyo.site.folder import held, site_files, state_folder
from gagyo.site.site import Site
from gagyo.text import Language

if TYPE_CHECKING:
    from gagyo.runtime.remote import SiteState

__all__ = [
    "Brought",
    "Feasibility",
    "Finished",
    "Result",
    "Stopped",
    "export_dossier",
    "feasibility",
    "open_hospitals",
    "plan",
    "run",
    "run_embedded",
    "run_remote",
    "verify",
]

plan = make_plan


@dataclass(frozen=True)
class Finished:
    """A finished run: where it is, its plan, its results, why other analyses stopped, and the whole record.

    preflight: what each hospital can answer for. silent: hospitals that did not answer. unapproved: why a hospital did
    not approve a plan that only counts people.
    """

    folder: Path
    plan: Plan
    results: Mapping[str, Result]
    stopped: Mapping[str, Stopped]
    document: Mapping[str, Any]
    preflight: Mapping[str, Answer] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    unapproved: Mapping[str, Finding] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Every analysis by its name, or why it stopped, for notebooks."""
        shown = {name: result._repr_html_() for name, result in self.results.items()}
        shown |= {name: f"<p>{html.escape(stopped.text('en'))}</p>" for name, stopped in self.stopped.items()}
        parts = (f"<h4>{html.escape(name)}</h4>{shown[name]}" for name in self.plan.study.analyses if name in shown)
        return f"<p>{html.escape(str(self.folder))}</p>{''.join(parts)}"


def open_site(path: Path) -> Site:
    """The hospital of a site file; its keys, ledger and memory are in `state/` beside the file."""
    return Site.open(path, state_folder(path))


def open_hospitals(study: Study, folder: Path) -> dict[str, Site]:
    """The hospitals of a study from a folder with a site file for each; their keys and memory are kept beside them.

    Raises:
        FileFault: a site file is missing, or faulty.
    """
    sites = {site.name: site for site in map(open_site, site_files(folder))}
    missing = [name for name in study.sites if name not in sites]
    if missing:
        values = {"found": ", ".join(missing), "expected": ", ".join(study.sites), "where": str(folder)}
        raise FileFault(Finding("no_site_file", values=values))
    return {name: sites[name] for name in study.sites}


def coordinator_keys(study: Study) -> Keys:
    """The keys of whoever runs a study."""
    return Keys.open(_kept(study) / f"{study.study}.keys")


def public_keys(study: Study, hospitals: Mapping[str, Site]) -> dict[str, PublicKeys]:
    """Everyone's public keys, as they stand in a plan."""
    return {"coordinator": coordinator_keys(study).public} | {name: one.keys.public for name, one in hospitals.items()}


def run_embedded(
    study: Study | str | Path,
    sites: str | Path,
    out: str | Path,
    tell: Callable[[Progress], None] | None = None,
    ended: Callable[[str, Result | Stopped], None] | None = None,
    evidence: Sequence[Evidence] = (),
    own: Sequence[Pack] = (),
    approvals: Sequence[Statement] = (),
) -> Finished:
    """Run a study at hospitals in this process and write its folder: plan, journal, ledgers, results.json.

    Whoever runs this holds all hospitals' files, so it approves the plan for each of them. A run that was interrupted
    is taken up again by the same call; no hospital is asked twice for the same release. evidence, own: documents held
    and an operator's own rule packs, for a study with a governance part. approvals: signed statements, for hospitals
    whose policy requires them; whoever runs this cannot approve in their place.

    Raises:
        GagyoError: with what is wrong, and what to do.
    """
    read = study if isinstance(study, Study) else Study.read(study)
    folder = Path(out)
    with _alone(read, site_files(Path(sites))):
        hospitals = open_hospitals(read, Path(sites))
        coordinator = coordinator_keys(read)
        planned = make_plan(read, public_keys(read, hospitals), evidence, own)
        open_folder(folder, planned)
        unapproved = _approve(hospitals, planned, approvals)
        journal = Journal(folder / "journal.jsonl", coordinator, Embedded(hospitals))
        going = _followed(Run(planned, journal, tell), ended)
        ledgers = {name: site.ledger.path for name, site in hospitals.items()}
        record = finish(folder, going, journal.name, journal.answers, ledgers)
        for site in hospitals.values():
            site.close()
    told = (going.preflight, frozenset(going.silent), unapproved)
    return Finished(folder, planned, going.results, going.stopped, record, *told)


@contextmanager
def _alone(study: Study, files: Sequence[Path] = ()) -> Iterator[None]:
    """Nobody else runs the study or uses the hospitals of these site files meanwhile: two writers break a record.

    Raises:
        FileFault: `run_in_use`, `site_in_use`.
    """
    with ExitStack() as stack:
        if not stack.enter_context(held(_kept(study), f"{study.study}.lock")):
            raise FileFault.of("run_in_use", found=study.study)
        for file in files:
            if not stack.enter_context(held(state_folder(file))):
                raise FileFault.of("site_in_use", found=file.stem)
        yield


def _kept(study: Study) -> Path:
    """Where the coordinator's keys are: beside the study file, not in the output, which is handed on."""
    return Path(study.file or "study.yaml").absolute().parent / ".gagyo"


def _approve(hospitals: Mapping[str, Site], plan: Plan, approvals: Sequence[Statement]) -> dict[str, Finding]:
    """Approve a plan for each hospital; of one that only counts people, why hospitals do not, as far as it goes on.

    Raises:
        GagyoError: with what forbids it.
    """
    faults: dict[str, Finding] = {}
    for name, site in hospitals.items():
        try:
            site.approve(plan, [one for one in approvals if one.site == name])
        except GagyoError as fault:
            if not plan.study.counts_only:
                raise
            faults[name] = fault.findings[0]
    if len(faults) > plan.study.may_go_on_without:
        raise FileFault(*faults.values())
    return faults


def feasibility(
    study: Study | str | Path,
    out: str | Path,
    sites: str | Path | None = None,
    hub: str | Path | None = None,
    tell: Callable[[Progress], None] | None = None,
    evidence: Sequence[Evidence] = (),
    own: Sequence[Pack] = (),
) -> Feasibility:
    """Ask the hospitals of a study how many people its cohorts have, and hold its designs against what they say.

    A plan that only counts people goes to the hospitals, in this process (`sites`) or over a hub; each answers where
    its policy allows it, by its own gate and onto its own ledger. `out` is the folder of that run.

    Raises:
        GagyoError: with what is wrong, and what to do; where no hospital answers, with why.
    """
    read = study if isinstance(study, Study) else Study.read(study)
    check_none(check(read))
    needs = required(read) if read.planning else {}
    counting = counting_of(read, Line(read).complete)
    if sites is not None:
        run = run_embedded(counting.study, sites, out, tell, evidence=evidence, own=own)
    elif hub is not None:
        run = run_remote(counting.study, hub, out, tell, evidence=evidence, own=own)
    else:
        raise ValueError("sites or hub")
    found = weigh(run.plan.study, read, counting, run.preflight, needs, run.unapproved, run.silent)
    write(Path(out) / "feasibility.json", json.dumps(found.to_json(), ensure_ascii=False, indent=1).encode())
    return found


def run_remote(
    study: Study | str | Path,
    hub: str | Path,
    out: str | Path,
    tell: Callable[[Progress], None] | None = None,
    ended: Callable[[str, Result | Stopped], None] | None = None,
    states: Callable[[Mapping[str, SiteState]], None] | None = None,
    evidence: Sequence[Evidence] = (),
    own: Sequence[Pack] = (),
) -> Finished:
    """Run a study at hospitals on their own machines and write its folder: plan, journal, results.json.

    hub: the folder that `gagyo site join` made for the coordinator. The hospitals make keys for this run; the plan with
    those keys is brought to them, and the run waits until people there have decided, as long as the study's patience
    lasts. Interrupted at any moment, the same call goes on: what was answered is not asked for again; of a run that had
    its results nothing is asked. `progress.json` in the folder says at any moment where each hospital stands.

    Raises:
        GagyoError: with what is wrong, and what to do.
    """
    from gagyo.exchange.courier import open_carrier
    from gagyo.exchange.membership import Membership
    from gagyo.runtime.remote import Remote

    read = study if isinstance(study, Study) else Study.read(study)
    folder, membership, key_file = Path(out), Membership.open(Path(hub)), run_key_file(read)
    if (folder / "results.json").exists():
        finished = _finished(folder, read, ended)
        mine = finished.plan.keys["coordinator"]["sealing"]
        if key_file.exists() and Keys.open(key_file).public.sealing == mine:  # interrupted between results and end
            with closing(open_carrier(Path(hub))) as client:
                client.close_study(digest(read.canonical()))
            key_file.unlink()
        return finished
    interrupted = _planned(folder, read)
    if interrupted is not None:
        check_version(folder, interrupted)
        _check_key(interrupted, key_file, folder)
    keys = Keys(membership.keys.signing, Keys.open(key_file).sealing)
    board = Board(folder, states, tell)
    with _alone(read), closing(open_carrier(Path(hub))) as client:
        about = digest(read.canonical())
        remote = Remote(client, keys, about, read.sites, read.waits.total_seconds(), board.states)
        planned = interrupted or make_plan(read, remote.gather_keys(read.source), evidence, own)
        open_folder(folder, planned)
        remote.submit(planned)
        journal = Journal(folder / "journal.jsonl", keys, remote)
        going = _followed(Run(planned, journal, board.progress), ended)
        record = finish(folder, going, journal.name, journal.answers, {})
        remote.close()
    key_file.unlink()
    return Finished(folder, planned, going.results, going.stopped, record, going.preflight, frozenset(going.silent))


def _followed(going: Run, ended: Callable[[str, Result | Stopped], None] | None) -> Run:
    """A run at its end; each analysis is told as it ends."""
    for name, outcome in going:
        if ended is not None:
            ended(name, outcome)
    return going


def _finished(folder: Path, study: Study, ended: Callable[[str, Result | Stopped], None] | None) -> Finished:
    """A run that has its results, from its journal: nobody is asked anything.

    Raises:
        FileFault: it is a run of another study, or nobody knows of which.
    """
    planned = _planned(folder, study)
    if planned is None:
        raise FileFault.of("run_finished", found=str(folder))
    with verifying.same_version(planned):
        going = _followed(Run(planned, Journal(folder / "journal.jsonl", Keys.make())), ended)
    record = json.loads((folder / "results.json").read_bytes())
    return Finished(folder, planned, going.results, going.stopped, record, going.preflight, frozenset(going.silent))


def run_key_file(study: Study) -> Path:
    """Where the coordinator's keys of a run are until it is finished: beside the study file."""
    return _kept(study) / f"{study.study}.run.keys"


def _check_key(plan: Plan, key_file: Path, folder: Path) -> None:
    """Raise FileFault unless the key of an interrupted run is here, with which alone it can go on."""
    mine = plan.keys["coordinator"]["sealing"]
    if not key_file.exists() or Keys.open(key_file).public.sealing != mine:
        raise FileFault.of("run_key_gone", found=str(folder), expected=str(key_file))


def _planned(folder: Path, study: Study) -> Plan | None:
    """The plan of an interrupted run in a folder; FileFault where it is of another study."""
    path = folder / "plan.json"
    if not path.exists():
        return None
    planned = Plan.from_bytes(path.read_bytes())
    if planned.written.canonical() != study.canonical():
        raise FileFault.of("other_plan", found=str(folder))
    return planned


def verify(folder: str | Path) -> verifying.Verified:
    """Verify a run's folder: chains, signatures, receipts, every result again from the journal, and the reports.

    Raises:
        Tampered: naming the first thing that does not fit.
    """
    path = Path(folder)
    missing = [name for name in ("plan.json", "journal.jsonl", "results.json") if not (path / name).exists()]
    if missing:
        raise FileFault.of("no_run", found=str(path), expected=", ".join(missing))
    verified = verifying.verify(path, Journal(path / "journal.jsonl", Keys.make()))
    reports = report.check(json.loads((path / "results.json").read_bytes()), path)
    return replace(verified, reports=reports)


def export_dossier(
    folder: str | Path, out: str | Path, brought: Brought, language: Language, day: date | None = None
) -> Path:
    """Verify a run and write its dossier for an auditor into a new folder; the metadata file (RO-Crate).

    brought: documents held, the record of a check of the rules, and copies of hospitals' ledgers.

    Raises:
        Tampered: the run, or a ledger, is not whole.
        FileFault: there is no run, or something in the new folder already.
    """
    checked = verify(folder)
    return write_dossier(Path(folder), Path(out), checked, brought, language, (day or date.today()).isoformat())
