"""The page of reads: each read below a resource, who uses it, what stands for it, and why nothing does."""

from msgspec.structs import replace

from scanner.rulebook.loader import RuleSet
from scanner.scan.explain import instead, reads_by_name, uses, why_alone

INTRODUCTION = """# Reads

Each type is listed once in a subscription, and each read of this table is made below each of its resources, where a
condition on the resource leaves a verdict open. What is in the column *instead* takes its place where it can be had: in
subscriptions that are read as a whole, where Resource Graph is asked, and where no role and no deny assignment hides
rows of it (without `Microsoft.Authorization/denyAssignments/read` that is not known). A row takes the place of a list
only where it has a value for all that decides; what it lacks is never taken as absent. *No list above its parent* means
that no operation of the management SDKs lists it over several parents, and that no table of Resource Graph has it.

Batches of Azure Resource Manager (`POST /batch`) are not used: they are not documented, and a scan sends no other POST
than the query of Resource Graph.

`twolocks scan --explain-reads` shows the same of one scan, with the number of requests, their time and the rules. How
Azure is read: [reading.md](reading.md).
"""


def reads(rules: RuleSet) -> str:
    """Return the page."""
    users = uses(replace(rules, enabled=dict(rules.rules)))
    rows = [
        "| read | by default | rules | endpoints | instead | why for each |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    result = reads_by_name(rules)
    for name, read in sorted(result.items(), key=lambda each: each[0].lower()):
        use = users.get(name)
        cells = (
            f"`{name}`",
            "no" if read.costly else "yes",
            str(len(set(use.rules)) or "") if use else "",
            str(len(use.endpoints) or "") if use else "",
            instead(read) or "",
            "" if instead(read) else why_alone(read),
        )
        rows.append(f"| {' | '.join(cells)} |")
    saved = sum(bool(instead(read)) for read in result.values())
    total = f"{len(result)} reads, of which something stands for {saved}.\n"
    return "\n".join([INTRODUCTION, total, "\n".join(rows) + "\n"])
