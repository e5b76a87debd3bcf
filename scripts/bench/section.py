"""One page for several benches: each writes its own section of docs/benchmarks.md and leaves the others as they are."""
import pathlib

TITLE = "# Benchmarks\n"


def put(page, name, text):
    """Replaces the section of this name, or appends it; the page is made where there is none."""
    page = pathlib.Path(page)
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    whole = page.read_text() if page.exists() else TITLE
    section = f"{begin}\n{text.strip()}\n\n{end}"
    before, found, rest = whole.partition(begin)
    if found:
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{page}: the section {name} has no end")
        whole = before + section + after
    else:
        whole = f"{whole.rstrip()}\n\n{section}"
    page.write_text(whole)
