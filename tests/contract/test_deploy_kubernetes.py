"""The overlays are sound, and each rule refuses the overlay that breaks it."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.check_deploy import OVERLAYS, ROOT
from scripts.deploy.dockerfile import instructions, parse
from scripts.deploy.kubernetes import problems
from scripts.deploy.manifests import Document, label, render, schema_problems, workloads
from scripts.deploy.overlay import overlay_problems
from scripts.deploy.pods import workload_problems
from scripts.deploy.quantities import parse_quantity


@pytest.fixture(scope="module")
def production() -> list[Document]:
    return render(ROOT / "k8s" / "production")


def found_in(documents: list[Document]) -> str:
    of_pods = [problem for workload in workloads(documents) for problem in workload_problems(workload)]
    return "\n".join([*overlay_problems(documents), *of_pods])


def broken(documents: list[Document], name: str, change: Callable[[Any], object]) -> str:
    changed = copy.deepcopy(documents)
    document = next(document for document in changed if label(document) == name)
    change(document)
    return "\n".join([*schema_problems([document]), found_in(changed)])


def container(document: Document) -> Any:
    return document["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_sound(name: str) -> None:
    assert problems(ROOT / "k8s" / name) == []


CONTAINER_RULES: list[tuple[str, Callable[[Any], object]]] = [
    ("no request of cpu", lambda it: it["resources"]["requests"].pop("cpu")),
    ("no limit of memory", lambda it: it["resources"].pop("limits")),
    ("is not a quantity", lambda it: it["resources"]["limits"].update(memory="1Gib")),
    ("above its limit", lambda it: it["resources"]["requests"].update(memory="64Gi")),
    ("livenessProbe", lambda it: it.pop("livenessProbe")),
    ("readinessProbe to get /ready", lambda it: it["readinessProbe"]["httpGet"].update(path="/live")),
    ("at a named port", lambda it: it["livenessProbe"]["httpGet"].update(port="metrics")),
    ("readOnlyRootFilesystem", lambda it: it["securityContext"].update(readOnlyRootFilesystem=False)),
    ("capabilities", lambda it: it["securityContext"].pop("capabilities")),
    ("expected a version's tag", lambda it: it.update(image="driftline/inference:latest")),
    ("expected a version's tag", lambda it: it.update(image="driftline/inference")),
    ("volume scratch is not there", lambda it: it["volumeMounts"].append({"name": "scratch", "mountPath": "/x"})),
    ("there is no configmap/other", lambda it: it.update(envFrom=[{"configMapRef": {"name": "other"}}])),
    ("'imagePullPolice'", lambda it: it.update(imagePullPolice="Always")),
]


@pytest.mark.parametrize(("reason", "change"), CONTAINER_RULES, ids=[rule[0] for rule in CONTAINER_RULES])
def test_a_container_that_breaks_a_rule_is_refused(
    production: list[Document], reason: str, change: Callable[[Any], object]
) -> None:
    assert reason in broken(production, "statefulset/inference", lambda it: change(container(it)))


POD_RULES: list[tuple[str, Callable[[Any], object]]] = [
    ("runAsNonRoot", lambda pod: pod["securityContext"].update(runAsUser=0)),
    ("seccompProfile", lambda pod: pod["securityContext"].pop("seccompProfile")),
    ("hostNetwork", lambda pod: pod.update(hostNetwork=True)),
    ("there is no serviceaccount/root", lambda pod: pod.update(serviceAccountName="root")),
    ("volume keys is not there", lambda pod: pod["volumes"].pop(next(_index(pod, "keys")))),
]


def _index(pod: Any, name: str) -> Any:
    return (at for at, volume in enumerate(pod["volumes"]) if volume["name"] == name)


@pytest.mark.parametrize(("reason", "change"), POD_RULES, ids=[rule[0] for rule in POD_RULES])
def test_a_pod_that_breaks_a_rule_is_refused(
    production: list[Document], reason: str, change: Callable[[Any], object]
) -> None:
    assert reason in broken(production, "statefulset/governance", lambda it: change(it["spec"]["template"]["spec"]))


def test_a_service_that_selects_no_pod_is_refused(production: list[Document]) -> None:
    wrong = broken(production, "service/inference", lambda it: it["spec"].update(selector={"app": "other"}))
    assert "service/inference selects 0 workloads" in wrong


def test_replicas_without_a_disruption_budget_are_refused(production: list[Document]) -> None:
    wrong = broken(production, "statefulset/governance", lambda it: it["spec"].update(replicas=2))
    assert "statefulset/governance: a PodDisruptionBudget" in wrong


def test_a_claim_whose_size_is_no_quantity_is_refused(production: list[Document]) -> None:
    def change(claim: Any) -> None:
        claim["spec"]["resources"]["requests"]["storage"] = "50 GB"

    assert "'50 GB' is not a quantity" in broken(production, "persistentvolumeclaim/driftline-tables", change)


def test_a_policy_that_opens_a_port_that_no_pod_of_its_has_is_refused(production: list[Document]) -> None:
    wrong = broken(production, "statefulset/inference", lambda it: container(it)["ports"].pop())
    assert "networkpolicy/from-grpc-clients: none of its pods has a port grpc" in wrong
    assert "service/inference: inference has no port grpc" in wrong.replace("statefulset/", "")


def test_pods_listen_on_the_ports_of_their_images(production: list[Document]) -> None:
    for workload in workloads(production):
        if workload.kind != "Job":
            service = workload.document["metadata"]["name"].replace("-", "_")
            stages = parse((ROOT / "Dockerfile").read_text(), {"SERVICE": service})
            exposed = " ".join(instructions(stages, "EXPOSE")).split()
            assert [str(port["containerPort"]) for port in workload.containers[0]["ports"]] == exposed


def test_an_overlay_without_a_service_or_a_deny_all_policy_is_refused(production: list[Document]) -> None:
    gone = ("statefulset/governance", "networkpolicy/deny-all")
    wrong = found_in([document for document in production if label(document) not in gone])
    assert "governance is missing" in wrong
    assert "no NetworkPolicy denies" in wrong


def test_a_kind_that_the_api_does_not_know_is_refused(production: list[Document]) -> None:
    assert "Couldn't find schema" in broken(production, "job/driftline-topics", lambda it: it.update(kind="Jobs"))


def test_an_overlay_that_kustomize_cannot_build_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    (tmp_path / "k8s" / "base" / "governance.yaml").unlink()
    [problem] = problems(tmp_path / "k8s" / "staging")
    assert problem.startswith("staging: kubectl kustomize: ")
    assert "governance.yaml" in problem


def test_a_misspelt_field_in_a_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    file = tmp_path / "k8s" / "base" / "every-service.yaml"
    file.write_text(file.read_text().replace("terminationGracePeriodSeconds", "terminationGraceSeconds"))
    assert any("terminationGraceSeconds" in problem for problem in problems(tmp_path / "k8s" / "production"))


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2.0), ("1Gi", 2.0**30), ("1.5k", 1500.0), ("1e3", 1000.0), (1, 1.0)]
)
def test_quantities_are_read_as_kubernetes_reads_them(text: object, value: float) -> None:
    assert parse_quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "1GB", "Gi", "1 Gi", "1K", "one", "1e", "NaN"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)
