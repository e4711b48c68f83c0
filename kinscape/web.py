"""Commands that serve atlases, or write them for the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.inputgen.errors import UserError
from kinscape.options import (
    DEFAULT_PORT,
    AtlasOption,
    DeviceOption,
    HostOption,
    JobsOption,
    PortOption,
    RedisOption,
)
from kinscape.output import (
    print_address,
    print_plain,
    show_progress,
)

if TYPE_CHECKING:
    pass


def serve(
    atlas: Annotated[
        list[Path] | None,
        typer.Option("--atlas", metavar="DIR", help="Atlas to show; may be given several times. [the shipped one]"),
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
    prefix: Annotated[
        str, typer.Option(metavar="/PATH/", help="What the addresses begin with, behind a proxy, as /kin/.")
    ] = "/",
    jobs: JobsOption = None,
    redis: RedisOption = None,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether what is asked for is drawn here, or by other workers.")
    ] = True,
) -> None:
    """Show atlases in the browser, and draw there what is asked for."""
    from contextlib import nullcontext

    from kinscape.dashboard.app import create_app
    from kinscape.dashboard.jobs.worker import keep_worker, open_jobs
    from kinscape.dashboard.serve import catch_end
    from kinscape.dashboard.serve import serve as run_server

    if jobs is None and not with_worker:
        raise UserError("with --no-worker others draw; give them and the dashboard one folder, with --jobs")
    opened = [load_atlas(folder) for folder in atlas] if atlas else [load_atlas()]
    with catch_end(), open_jobs(jobs, redis=redis) as queue:
        made = create_app(opened, prefix=prefix, jobs=queue)
        with keep_worker(queue, atlas or ()) if with_worker else nullcontext():
            run_server(made, host=host, port=port, announce=print_address)


def worker(
    jobs: Annotated[Path, typer.Option(metavar="DIR", help="The folder of jobs that the dashboard has.")],
    redis: RedisOption = None,
    atlas: Annotated[
        list[Path] | None,
        typer.Option("--atlas", metavar="DIR", help="As `kinscape serve` has them. [the shipped one]"),
    ] = None,
    device: DeviceOption = "auto",
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Draw what `kinscape serve` is asked for, here or on another machine that shares its folder of jobs."""
    from functools import partial

    from kinscape.dashboard.jobs.worker import Worker, end_with_input
    from kinscape.dashboard.view import View
    from kinscape.inputgen.network import find_device, load_network

    find_device(device)
    if attached:
        end_with_input()
    view = View([load_atlas(folder) for folder in atlas] if atlas else [load_atlas()])
    Worker(jobs, redis=redis, view=view, load=partial(load_network, device=device)).serve()


def snapshot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; ends in .html.")],
    atlas: AtlasOption = None,
) -> None:
    """Write the map, the pictures and the nearest categories to one file that opens without a server."""
    from kinscape.dashboard.snapshot.page import write_snapshot

    opened = load_atlas(atlas)
    write_snapshot(file, opened)
    size = file.stat().st_size / 1e6
    print_plain(f"wrote the map of {len(opened.manifest.classes)} categories to {file} ({size:.1f} MB)")


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what the demo writes.")] = Path("kinscape-demo"),
    device: DeviceOption = "auto",
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
) -> None:
    """Run the main job on the shipped pictures: measure, answer, export, and open the dashboard."""
    import webbrowser
    from threading import Thread

    from kinscape.analysis.export import write_distances
    from kinscape.analysis.making.measure import remeasure_atlas
    from kinscape.analysis.questions.closer import find_closer
    from kinscape.analysis.space.distances import distance_matrix
    from kinscape.dashboard.app import create_app
    from kinscape.dashboard.jobs.worker import keep_worker, open_jobs
    from kinscape.dashboard.serve import catch_end, find_address, open_server
    from kinscape.inputgen.network import load_network

    with catch_end(), open_jobs(None) as queue:
        opened = load_atlas()
        server = open_server(
            create_app([opened], jobs=queue), host=host, port=port
        )  # a port in use should be known before the work
        network = load_network(opened.manifest.network, device=device)
        with show_progress() as on_progress:
            check = remeasure_atlas(opened, network, on_progress=on_progress)
        space, metric = opened.space(), opened.manifest.default_metric
        print_plain(
            f"{network.name} looked at {check.pictures} pictures that it drew itself and recognises "
            f"{check.recognised:.1%} of them."
        )
        print_plain(
            f"Layer {check.space.layer}: the features equal the shipped ones to {check.deviation:.1e} of their spread."
        )
        answer = find_closer(space, *map(space.vocabulary.find_group, ("cat", "fox", "wolf")), metric=metric)
        print_plain(answer.sentence)
        path = out / "distances.npz"
        write_distances(path, distance_matrix(space, metric))
        print_plain(f"The distances of all {len(space.index)} categories are in {path}.")

        address = find_address(server)
        print_address(address)
        # A browser in the terminal would wait here for a server that does not answer yet.
        Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with keep_worker(queue):
            server.run()
