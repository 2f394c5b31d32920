"""The numbers of a scan in the findings document."""

import msgspec


class ReasonsRow(msgspec.Struct, kw_only=True, frozen=True):
    """A number of things that were not assessed, and each of them under one reason; the reasons sum up to `total`.

    `missing_permission`: Azure refused a read and named the permission. `failed_read`: a read failed for another
    reason. `no_value`: every read succeeded, and Azure returned no value, or one that is not known.
    """

    total: int
    missing_permission: int
    failed_read: int
    no_value: int


class NumbersRow(msgspec.Struct, kw_only=True, frozen=True):
    """The numbers of a scan, as every format shows them; docs/concepts.md explains each.

    `states`: endpoints by state, whose sum is `endpoints`. `severities`: open endpoints by severity, whose sum is
    `states.open`. `public`, `public_apps`: publicly accessible without authentication, and apps without platform
    sign-in. `accepted_public`: those of both that are waived or intended, which are not in them.
    `nearly_public`: without authentication, from any Azure tenant or broad ranges. `shared_key_only`:
    protected only by a shared key or password. `not_fully_assessed`: endpoints not assessed, or in part. `in_part`:
    those of them that are not in the state `unknown`. `other_findings`: failed findings without an endpoint, by
    severity. `checks`: by status. `inconclusive`: the checks with the status `unknown`; `accepted_inconclusive`,
    `accepted_gaps`: those that a waiver accepts. `gaps`: failed reads.
    """

    endpoints: int
    states: dict[str, int]
    severities: dict[str, int]
    public: int
    public_apps: int
    accepted_public: int
    nearly_public: int
    shared_key_only: int
    not_fully_assessed: ReasonsRow
    in_part: int
    other_findings: dict[str, int]
    checks: dict[str, int]
    inconclusive: ReasonsRow
    accepted_inconclusive: int
    resources: int
    reads: int
    gaps: int
    accepted_gaps: int
