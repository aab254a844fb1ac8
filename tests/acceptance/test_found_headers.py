"""Files below titles, in other languages, with names in parts: what is stored is what the reference reads."""

from __future__ import annotations

from pathlib import Path

from tests.support.mixed_file import person
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System

PEOPLE = 700
GERMAN = "sep=;\nMitarbeiterliste;;;;;\n\nNachname;Telefon;Handy;Vorname;E-Mail;Firma\n"
POLISH = "Lista pracowników\nFirma,Imię i nazwisko,Adres e-mail,Telefon komórkowy (służbowy)\n"


def write_files(folder: Path) -> tuple[Path, Path]:
    people = [person(number) for number in range(1, 2 * PEOPLE + 1)]
    german, polish = folder / "german.csv", folder / "polish.csv"
    names = [each.name.partition(" ") for each in people[:PEOPLE]]
    rows = [
        f"{family};;{each.mobile};{given};{each.email};{each.company}"
        for each, (given, _, family) in zip(people, names, strict=False)
    ]
    german.write_text(GERMAN + "\n".join(rows), "utf-8-sig")
    polish.write_text(POLISH + "\n".join(f"{p.company},{p.name},{p.email},{p.mobile}" for p in people[PEOPLE:]))
    return german, polish


async def test_files_with_found_headers_end_as_the_reference_reads_them(
    services: Services, system: System, tmp_path: Path
) -> None:
    german, polish = write_files(tmp_path)
    for name in ("consumer_service", "producer_service"):
        services.launch(name)
    await services.start("api_service", {"ROLLCALL_API_CHUNK_ROWS": "100"})

    first = await system.until_finished(await system.upload(german))
    expected = read_top_to_bottom(german)
    assert (expected.inserted, first["headerLine"], first["rowsRead"]) == (PEOPLE, 4, PEOPLE)
    assert await system.differences(first, expected) == []

    second = await system.until_finished(await system.upload(polish))
    assert (second["headerLine"], second["preamble"]) == (2, ["Lista pracowników"])
    assert await system.differences(second, read_top_to_bottom(polish, before=expected.employees)) == []
