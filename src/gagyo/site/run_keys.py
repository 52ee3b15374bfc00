"""A hospital's keys for the run of a study: its signing key, and a sealing key for that run alone."""

from __future__ import annotations

from gagyo.exchange.envelope import Keys, new_sealing
from gagyo.site.store import Store


class RunKeys:
    """The keys of a hospital's runs, by the digest of the study; `lasting` are the hospital's own."""

    def __init__(self, lasting: Keys, store: Store) -> None:
        self._lasting, self._store = lasting, store

    def make(self, study: str) -> Keys:
        """The keys for a run; its sealing key is made when it is first asked for."""
        if not self._store.run_key(study):
            self._store.keep_run_key(study, new_sealing())
        return self._lasting.with_sealing(self._store.run_key(study))

    def known(self, study: str) -> tuple[Keys, ...]:
        """The keys by which one can write to this hospital about a study: those of its run where it has some, first."""
        sealing = self._store.run_key(study)
        return (self._lasting.with_sealing(sealing), self._lasting) if sealing else (self._lasting,)

    def has(self, study: str) -> bool:
        """Whether there is a sealing key for a study's run."""
        return bool(self._store.run_key(study))

    def destroy(self, study: str) -> None:
        """Destroy the sealing key of a study's run, when that is closed."""
        self._store.destroy_run_key(study)
