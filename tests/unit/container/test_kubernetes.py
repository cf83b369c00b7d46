"""The manifests, rendered by kustomize and validated against Kubernetes' own schemas.

Schemas of KServe, KEDA and the Prometheus operator are in no registry, so of their kinds only the
pods inside are validated.
"""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from videovisual.server.metrics import METRICS
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier
from videovisual.zoo.own_card import read_own_card
from videovisual_client.commands.explainer import explainer
from videovisual_client.commands.serve import serve

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="validates manifests")

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
OVERLAYS = ("base", "overlays/cpu", "overlays/gpu", "overlays/keda", "overlays/kserve")
OTHERS = {"ServingRuntime", "InferenceService", "ScaledObject", "PodMonitor"}
"""Kinds without a schema."""

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="renders with kubectl")

Document = dict[str, Any]


@cache
def rendered(overlay: str) -> list[Document]:
    assert KUBECTL is not None
    done = subprocess.run(
        [KUBECTL, "kustomize", str(FOLDER / overlay)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return list(yaml.safe_load_all(done.stdout))


def validate(document: Document) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def pods(document: Document) -> Iterator[Document]:
    """The specs of the pods that it makes, where they name containers."""
    match document:
        case {"kind": "Deployment", "spec": {"template": {"spec": pod}}}:
            yield pod
        case {"kind": "ServingRuntime", "spec": pod}:
            other = ("supportedModelFormats", "protocolVersions")
            yield {key: value for key, value in pod.items() if key not in other}
        case {"kind": "InferenceService", "spec": spec}:
            other = ("minReplicas", "maxReplicas", "timeout")
            for part in spec.values():
                if "containers" in part:
                    yield {key: value for key, value in part.items() if key not in other}


def all_pods() -> list[tuple[str, Document]]:
    return [(o, pod) for o in OVERLAYS for document in rendered(o) for pod in pods(document)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str) -> None:
    documents = rendered(overlay)
    assert documents
    for document in documents:
        if document["kind"] not in OTHERS:
            validate(document)
        for pod in pods(document):
            validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod})
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "videovisual"


def test_the_validation_is_strict() -> None:
    (deployment,) = (each for each in rendered("base") if each["kind"] == "Deployment")
    wrong = copy.deepcopy(deployment)
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong)


def test_pods_have_the_least_rights() -> None:
    assert len(all_pods()) == 6
    for overlay, pod in all_pods():
        (container,) = pod["containers"]
        rights = {**pod.get("securityContext", {}), **container["securityContext"]}
        assert rights["runAsNonRoot"] is True, overlay
        assert rights["runAsUser"] == 10001
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        # The only places to write to.
        mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert mounted["tmp"] == "/tmp"
        assert set(mounted) == {volume["name"] for volume in pod["volumes"]}
        limits, requests = (container["resources"][each] for each in ("limits", "requests"))
        assert {"cpu", "memory"} <= limits.keys() & requests.keys()


def test_probes_ask_for_ready_at_the_port_that_is_served() -> None:
    for _, pod in all_pods():
        (container,) = pod["containers"]
        (port,) = container["ports"]
        assert port["containerPort"] == 8080
        assert container["readinessProbe"]["httpGet"]["path"] == "/ping"
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if name in container:
                assert container[name]["httpGet"]["port"] in (8080, port.get("name"))


def test_the_commands_take_the_arguments(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.touch()
    for overlay, pod in all_pods():
        arguments = [
            re.sub(r"=/(run|card)/.*", f"={given}", each) for each in pod["containers"][0]["args"]
        ]
        if arguments[0] == "explainer":
            # What KServe adds.
            added = ["--model_name", "m", "--predictor_host", "h", "--http_port", "8080"]
            context = explainer.make_context("explainer", [*arguments[1:], *added])
            assert context.params["predictor_protocol"] == "v2"
            continue
        models = [] if overlay.endswith("kserve") else ["m"]
        context = serve.make_context("serve", [*arguments, *models])
        assert context.params["server"] == "uvicorn"
        grace = context.params["grace"]
        assert grace + 5 < pod.get("terminationGracePeriodSeconds", 60)


@pytest.mark.parametrize("overlay", ["base", "overlays/cpu", "overlays/gpu", "overlays/keda"])
def test_selectors_find_the_pods_and_replicas_share_keys_and_weights(overlay: str) -> None:
    by_kind = {document["kind"]: document for document in rendered(overlay)}
    template = by_kind["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert by_kind[kind]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert by_kind["Service"]["spec"]["selector"].items() <= labels.items()
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    assert volumes["keys"]["secret"]["secretName"] == "videovisual-keys"
    claim = by_kind["PersistentVolumeClaim"]
    assert volumes["weights"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert "Secret" not in by_kind


def test_replicas_take_no_jobs_by_settings_that_they_can_read() -> None:
    objects = {document["kind"]: document for document in rendered("base")}
    (pod,) = pods(objects["Deployment"])
    (container,) = pod["containers"]
    path = {each["name"]: each.get("value") for each in container["env"]}["VIDEOVISUAL_SETTINGS"]
    mount = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volume = {each["name"]: each for each in pod["volumes"]}[mount[str(Path(path).parent)]]
    settings = objects["ConfigMap"]
    assert volume["configMap"]["name"] == settings["metadata"]["name"]
    assert not Settings.model_validate_json(settings["data"][Path(path).name]).jobs


def test_scaling_is_by_metrics_that_there_are() -> None:
    (scaled,) = (each for each in rendered("overlays/keda") if each["kind"] == "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    named = set(re.findall(r"videovisual_\w+", trigger["metadata"]["query"]))
    assert named == {"videovisual_running", "videovisual_waiting"}
    assert named <= {metric.name for metric in METRICS}
    (deployment,) = (each for each in rendered("overlays/keda") if each["kind"] == "Deployment")
    assert "replicas" not in deployment["spec"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_the_gpu_overlay_asks_for_one() -> None:
    (pod,) = (pod for overlay, pod in all_pods() if overlay.endswith("gpu"))
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"] == "videovisual:cuda"


def test_the_explainers_card_is_one_and_is_mounted() -> None:
    documents = rendered("overlays/kserve")
    (card,) = (each for each in documents if each["kind"] == "ConfigMap")
    (explained,) = (each for each in documents if "explainer" in each.get("spec", {}))
    volumes = explained["spec"]["explainer"]["volumes"]
    assert card["metadata"]["name"] in {v.get("configMap", {}).get("name") for v in volumes}
    found = read_own_card(FOLDER / "overlays" / "kserve" / "card.json", Classifier.from_url)
    assert found["labels"]
