"""Splits of a dataset that is made of tables, which our own readers read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice

from datasets import DatasetBuilder, ReadInstruction

from automl_tf.data.pairs import Pair
from automl_tf.data.readers.columns import pairs_of
from automl_tf.data.readers.tables import Table, is_table

_OWN_OPTIONS = ("name", "version", "data_dir", "data_files", "description", "features", "sep")
"""Options of the library's readers that our own do without."""


def table_files(builder: DatasetBuilder) -> dict[str, list[str]] | None:
    """The files of each split; None if they are no tables, or have options of how to read them."""
    config = builder.config
    options = [field for field in fields(config) if field.name not in _OWN_OPTIONS]
    files = config.data_files or {}
    if any(getattr(config, option.name) != option.default for option in options) or not files:
        return None
    if not all(map(is_table, chain(*files.values()))):
        return None
    return {str(split): list(paths) for split, paths in files.items()}


@dataclass(frozen=True)
class TableSplits(Mapping[str, int]):
    """The numbers of rows of splits, each counted when it is asked for.

    Attributes:
        files: The files of each split.
        open: Makes tables of some files.
    """

    files: Mapping[str, Sequence[str]]
    open: Callable[[Sequence[str]], list[Table]]

    def __getitem__(self, name: str) -> int:
        return sum(map(_num_rows, self.open(self.files[name])))

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def slices(self, instruction: str) -> list[tuple[str, int, int | None]]:
        """The splits that an instruction names, each with the first row and the one after the last.

        Args:
            instruction: Names of splits with or without slices, as in ``train[:10%]+validation``.

        Raises:
            ValueError: If it is malformed, or names no split.
        """
        if instruction in self.files:
            # The rows of a whole split need not be counted.
            return [(instruction, 0, None)]
        wanted = ReadInstruction.from_spec(instruction).to_absolute(self)
        return [(one.splitname, one.from_, one.to) for one in wanted if one.from_ < one.to]

    def pairs(self, name: str, start: int, stop: int | None) -> Iterator[Pair]:
        """The pairs of some rows of a split.

        Raises:
            UserError: If a table of it cannot be read.
        """
        tables = self.open(self.files[name])
        if stop is None:
            yield from chain(*tables)
            return
        position = 0
        for table in tables:
            num_rows = _num_rows(table)
            first, last = max(0, start - position), min(num_rows, stop - position)
            if first < last:
                rows = islice(table.rows(), first, last)
                yield from pairs_of(rows, table.columns, table.place, first + 1)
            position += num_rows


def _num_rows(table: Table) -> int:
    return sum(1 for _ in table.rows())
