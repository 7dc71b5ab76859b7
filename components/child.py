"""Options of the resources inside a component."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


def child(
    parent: pulumi.ComponentResource,
    opts: pulumi.ResourceOptions | None,
    *,
    protect: bool | None = None,
    retain_on_delete: bool | None = None,
    ignore_changes: Sequence[str] = (),
    create_timeout: str | None = None,
    delete_before_replace: bool | None = None,
) -> pulumi.ResourceOptions:
    """Parent's options for a child: Pulumi hands a component's provider on, but not what the component waits for."""
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=opts.depends_on if opts else None,
        deleted_with=opts.deleted_with if opts else None,
        protect=protect,
        retain_on_delete=retain_on_delete,
        ignore_changes=list(ignore_changes),
        delete_before_replace=delete_before_replace,
        custom_timeouts=pulumi.CustomTimeouts(create=create_timeout) if create_timeout else None,
    )
