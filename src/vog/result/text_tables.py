"""Write a table as csv or as one JSON object a line, by DuckDB."""

from pathlib import Path

import duckdb
import pyarrow as pa


def write_text_table(table: pa.Table, path: Path, kind: str) -> None:
    """Write csv or jsonl by DuckDB. JSON has no infinity, so it becomes the text "Infinity".

    In csv, a list such as that of tags becomes its values, separated by spaces.
    """
    if kind == "csv":
        table = _with_joined_lists(table)
    # `path` is temporary already; a temporary file of DuckDB would survive a killed process.
    selection, options = "*", "FORMAT csv, HEADER, USE_TMP_FILE false"
    if kind == "jsonl":
        names = [f.name for f in table.schema if pa.types.is_floating(f.type)]
        selection, options = (
            f"* REPLACE ({', '.join(map(_json_number_sql, names))})" if names else "*",
            "FORMAT json, USE_TMP_FILE false",
        )
    target = str(path).replace("'", "''")
    try:
        with duckdb.connect() as connection:  # a new one: the user may have a table `rows`
            connection.register("rows", table)
            connection.execute(f"COPY (SELECT {selection} FROM rows) TO '{target}' ({options})")
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error


def _with_joined_lists(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            cells = [
                None if cell is None else " ".join(map(str, cell))
                for cell in table[field.name].to_pylist()
            ]
            table = table.set_column(index, field.name, pa.array(cells, pa.string()))
    return table


def _json_number_sql(name: str) -> str:
    column = '"' + name.replace('"', '""') + '"'
    sign = f"CASE WHEN {column} < 0 THEN '-' ELSE '' END"
    text = f"to_json({sign} || 'Infinity')"
    return f"CASE WHEN isinf({column}) THEN {text} ELSE to_json({column}) END AS {column}"
