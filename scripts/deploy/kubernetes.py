"""Problems of a kustomize overlay: first the schema, then our own rules."""

from pathlib import Path

from scripts.deploy.manifests import render, schema_problems, workloads
from scripts.deploy.overlay import overlay_problems
from scripts.deploy.pods import workload_problems


def problems(overlay: Path) -> list[str]:
    """What is wrong with an overlay, a sentence each."""
    try:
        documents = render(overlay)
    except ValueError as error:
        return [f"{overlay.name}: {error}"]
    found = [*schema_problems(documents)]
    if not found:
        found = [*overlay_problems(documents)]
        found += [problem for workload in workloads(documents) for problem in workload_problems(workload)]
    return [f"{overlay.name}: {problem}" for problem in found]
