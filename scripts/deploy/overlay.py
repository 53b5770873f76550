"""Rules over all manifests of an overlay: what is named must be there."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from scripts.deploy import SERVICES
from scripts.deploy.manifests import Document, Workload, label, matches, workloads
from scripts.deploy.quantities import wrong_quantities

# Made per installation, never in git (k8s/README.md says how).
OUTSIDE = {"configmap/driftline-trust", *(f"secret/driftline-keys-{name.replace('_', '-')}" for name in SERVICES)}


def overlay_problems(documents: Sequence[Document]) -> Iterator[str]:
    """What is wrong with the manifests together, a sentence each."""
    for rule in (_services, _namespaces, _twice, _references, _selected, _replicated, _network, _storage):
        yield from rule(documents)


def _services(documents: Sequence[Document]) -> Iterator[str]:
    running = {workload.document["metadata"]["name"] for workload in workloads(documents)}
    for missing in {name.replace("_", "-") for name in SERVICES} - running:
        yield f"{missing} is missing"


def _namespaces(documents: Sequence[Document]) -> Iterator[str]:
    spaces = {document["metadata"].get("namespace") for document in documents if document["kind"] != "Namespace"}
    made = {document["metadata"]["name"] for document in documents if document["kind"] == "Namespace"}
    if spaces != made:
        yield f"namespaces used are {spaces}, made are {made}: expected one"


def _twice(documents: Sequence[Document]) -> Iterator[str]:
    names = [label(document) for document in documents]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is there twice"


def _references(documents: Sequence[Document]) -> Iterator[str]:
    there = {label(document) for document in documents} | OUTSIDE
    for workload in workloads(documents):
        for reference in _named(workload):
            if reference not in there:
                yield f"{workload.name}: there is no {reference}"


def _named(workload: Workload) -> Iterator[str]:
    if "serviceAccountName" in workload.pod:
        yield f"serviceaccount/{workload.pod['serviceAccountName']}"
    for volume in workload.pod.get("volumes", ()):
        if "configMap" in volume:
            yield f"configmap/{volume['configMap']['name']}"
        if "secret" in volume:
            yield f"secret/{volume['secret']['secretName']}"
        if "persistentVolumeClaim" in volume:
            yield f"persistentvolumeclaim/{volume['persistentVolumeClaim']['claimName']}"
    for container in workload.containers:
        for source in container.get("envFrom", ()):
            for kind in ("configMap", "secret"):
                with suppress(KeyError):
                    yield f"{kind.lower()}/{source[f'{kind}Ref']['name']}"


def _selected(documents: Sequence[Document]) -> Iterator[str]:
    """Services and budgets select pods that there are, at ports that they have."""
    pods = workloads(documents)
    for document in documents:
        if document["kind"] not in ("Service", "PodDisruptionBudget"):
            continue
        selector = document["spec"]["selector"]
        chosen = [pod for pod in pods if matches(selector.get("matchLabels", selector), pod.labels)]
        if len(chosen) != 1:
            yield f"{label(document)} selects {len(chosen)} workloads: expected 1"
            continue
        ports = {str(port.get("name")) for container in chosen[0].containers for port in container.get("ports", ())}
        for port in document["spec"].get("ports", ()):
            if port["targetPort"] not in ports:
                yield f"{label(document)}: {chosen[0].name} has no port {port['targetPort']}"


def _replicated(documents: Sequence[Document]) -> Iterator[str]:
    budgets = [document for document in documents if document["kind"] == "PodDisruptionBudget"]
    for workload in workloads(documents):
        guarded = any(matches(budget["spec"]["selector"]["matchLabels"], workload.labels) for budget in budgets)
        if (workload.replicas > 1) != guarded:
            yield f"{workload.name}: a PodDisruptionBudget is for more than one replica, and needed then"


def _network(documents: Sequence[Document]) -> Iterator[str]:
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    if not any(policy["podSelector"] == {} and len(policy.get("policyTypes", ())) == 2 for policy in policies):
        yield "no NetworkPolicy denies all that no other allows"
    for document in documents:
        if document["kind"] == "NetworkPolicy":
            yield from _opened(document, workloads(documents))


def _opened(policy: Document, pods: Sequence[Workload]) -> Iterator[str]:
    """A policy opens named ports that one of its pods has; of one by expressions, that any has."""
    labels = policy["spec"]["podSelector"].get("matchLabels")
    chosen = [pod for pod in pods if labels is None or matches(labels, pod.labels)]
    there = {port["name"] for pod in chosen for container in pod.containers for port in container.get("ports", ())}
    for rule in policy["spec"].get("ingress", ()):
        for port in rule.get("ports", ()):
            if isinstance(port["port"], str) and port["port"] not in there:
                yield f"{label(policy)}: none of its pods has a port {port['port']}"


def _storage(documents: Sequence[Document]) -> Iterator[str]:
    for document in documents:
        templates = document["spec"].get("volumeClaimTemplates", ()) if document["kind"] == "StatefulSet" else ()
        for claim in (document, *templates) if document["kind"] == "PersistentVolumeClaim" else templates:
            yield from wrong_quantities(f"{label(document)}, storage", claim["spec"]["resources"].get("requests", {}))
