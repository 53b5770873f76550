"""Kubernetes manifests as data: rendered by kustomize, held against the API's schema, looked up."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

Document = dict[str, Any]

# The newest API that the validator knows, and one a year older: clusters lag behind.
VERSIONS = ("1.34", "1.37")


@dataclass(frozen=True)
class Workload:
    """What runs pods: a Deployment, StatefulSet or Job."""

    document: Document

    @property
    def name(self) -> str:
        """Kind and name, as kubectl writes them."""
        return label(self.document)

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.document["kind"])

    @property
    def replicas(self) -> int:
        """How many pods."""
        return int(self.document["spec"].get("replicas", 1))

    @property
    def labels(self) -> dict[str, str]:
        """The pods' labels."""
        return dict(self.document["spec"]["template"]["metadata"].get("labels", {}))

    @property
    def pod(self) -> Document:
        """The pods' spec."""
        return dict(self.document["spec"]["template"]["spec"])

    @property
    def containers(self) -> list[Document]:
        """All containers, the initial ones too."""
        return [*self.pod.get("initContainers", ()), *self.pod["containers"]]


def label(document: Document) -> str:
    """`statefulset/inference`."""
    return f"{document['kind'].lower()}/{document['metadata']['name']}"


def workloads(documents: Sequence[Document]) -> list[Workload]:
    """Everything among `documents` that runs pods."""
    return [Workload(document) for document in documents if document["kind"] in ("Deployment", "StatefulSet", "Job")]


def render(overlay: Path) -> list[Document]:
    """What `kubectl kustomize` makes of an overlay.

    Raises:
        ValueError: it refuses, with its own words.
    """
    kubectl = Path(sys.executable).with_name("kubectl")
    answer = subprocess.run([kubectl, "kustomize", overlay], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(f"kubectl kustomize: {answer.stderr.strip()}")
    return [document for document in yaml.safe_load_all(answer.stdout) if document]


def schema_problems(documents: Sequence[Document]) -> Iterator[str]:
    """Fields that the Kubernetes API does not know or that have a wrong type; kinds without a schema, too."""
    for version in VERSIONS:
        for document in documents:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{label(document)}, {'.'.join(map(str, error.path))}: {error.message} (API {version})"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{label(document)}: {error.message}"


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a selector's labels are all among `labels`; an empty selector matches nothing here."""
    return bool(selector) and all(labels.get(name) == value for name, value in selector.items())
