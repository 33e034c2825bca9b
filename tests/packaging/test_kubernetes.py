"""The manifests of Kubernetes and Ray are of their published forms, fit each other, and name settings that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.helpers.manifests import ROOT, environment_of, setting_names, strict, validator

FOLDER = ROOT / "packaging/kubernetes"
NEWEST, OLDEST = "1.37.0", "1.30.0"
Manifest = dict[str, Any]


@cache
def manifests(part: str) -> tuple[Manifest, ...]:
    """Every object of a folder, but for the list of its files."""
    files = [path for path in sorted((FOLDER / part).glob("*.yaml")) if path.name != "kustomization.yaml"]
    return tuple(document for file in files for document in yaml.safe_load_all(file.read_text()))


ALL = [(part, manifest) for part in ("daemon", "ray") for manifest in manifests(part)]
OWN_KINDS = [
    pytest.param(manifest, id=f"{part}-{manifest['kind']}-{manifest['metadata']['name']}")
    for part, manifest in ALL
    if manifest["kind"] != "RayCluster"
]


def pods(manifest: Manifest) -> Iterator[Manifest]:
    """The templates of the pods that an object makes."""
    spec = manifest["spec"]
    if manifest["kind"] == "RayCluster":
        yield spec["headGroupSpec"]["template"]
        yield from (group["template"] for group in spec["workerGroupSpecs"])
    elif "template" in spec:
        yield spec["template"]


EVERY_POD = [
    pytest.param(pod, id=f"{part}-{manifest['metadata']['name']}-{number}")
    for part, manifest in ALL
    for number, pod in enumerate(pods(manifest))
]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", OWN_KINDS)
def test_objects_are_valid(manifest: Manifest, version: str) -> None:
    """Every object has the form that Kubernetes publishes for its kind, without a field that it does not know."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_ray_cluster_is_valid() -> None:
    """The cluster has the form that KubeRay publishes, without a field that it does not know; pods have Kubernetes'."""
    (cluster,) = [m for m in manifests("ray") if m["kind"] == "RayCluster"]
    errors = [error.message for error in validator(strict("raycluster.json")).iter_errors(cluster)]
    assert errors == []
    for pod in pods(cluster):
        whole = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "of-the-test", **pod["metadata"]},
            "spec": pod["spec"],
        }
        kubernetes_validate.validate(whole, NEWEST, strict=True)


def test_a_wrong_field_of_the_ray_cluster_is_noticed() -> None:
    """The schema of the test refuses what KubeRay would drop without a word."""
    (cluster,) = [m for m in manifests("ray") if m["kind"] == "RayCluster"]
    wrong = {**cluster, "spec": {**cluster["spec"], "workerGroups": []}}
    (error,) = validator(strict("raycluster.json")).iter_errors(wrong)
    assert "workerGroups" in error.message


@pytest.mark.parametrize("pod", EVERY_POD)
def test_pods_are_confined(pod: Manifest) -> None:
    """No pod runs as root or may write to its image; only that with a device of its node is privileged."""
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False
    has_device = any("hostPath" in volume for volume in pod["spec"]["volumes"])
    for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
        rules = container["securityContext"]
        assert rules["readOnlyRootFilesystem"] is True
        assert rules.get("privileged", False) is has_device
        assert has_device or rules["allowPrivilegeEscalation"] is False
        assert {"requests", "limits"} <= set(container["resources"])


@pytest.mark.parametrize("pod", EVERY_POD)
def test_what_is_mounted_exists(pod: Manifest) -> None:
    """Every mount names a volume of its pod, and every volume is mounted."""
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | {"state"}
    mounted = {mount["name"] for container in pod["spec"]["containers"] for mount in container.get("volumeMounts", [])}
    assert volumes == mounted


def test_who_is_selected_exists() -> None:
    """What selects pods selects some of its folder."""
    for part in ("daemon", "ray"):
        labels = [pod["metadata"]["labels"] for manifest in manifests(part) for pod in pods(manifest)]
        for manifest in manifests(part):
            spec = manifest["spec"]
            selector = spec.get("podSelector") or spec.get("selector") or {}
            wanted = selector.get("matchLabels", selector).items()
            assert any(wanted <= told.items() for told in labels), manifest["metadata"]["name"]


def test_daemons_drain_and_are_asked() -> None:
    """Daemon and fronts are asked for readiness and life, wait before they stop, and have longer than that to drain."""
    daemons = [manifest for _, manifest in ALL if manifest["kind"] in {"StatefulSet", "Deployment"}]
    assert len(daemons) == 2
    for manifest in daemons:
        spec = manifest["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
        assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
        _, wait_s = container["lifecycle"]["preStop"]["exec"]["command"]
        assert spec["terminationGracePeriodSeconds"] > int(wait_s) + 10  # limits.shutdown_s


def test_versions_are_those_of_the_project() -> None:
    """Images have the version of pyproject.toml, and Ray that of the lock from which its image is built."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    every = [
        c for part in ("daemon", "ray") for m in manifests(part) for pod in pods(m) for c in pod["spec"]["containers"]
    ]
    assert {container["image"].rpartition(":")[2] for container in every} == {version}
    (ray,) = re.findall(r"^ray==(\S+)", (ROOT / "packaging/cluster.lock").read_text(), re.MULTILINE)
    (cluster,) = [m for m in manifests("ray") if m["kind"] == "RayCluster"]
    assert cluster["spec"]["rayVersion"] == ray


def test_settings_exist() -> None:
    """Every AMANUENSIS_ variable of a manifest is one that the daemon reads."""
    named = {name for path in FOLDER.rglob("*.yaml") for name in environment_of(path.read_text())}
    assert named
    assert named <= setting_names()


@pytest.mark.parametrize("part", ["daemon", "ray"])
def test_kustomize_assembles(part: str, tmp_path: Path) -> None:
    """With a token beside it the folder is one set of objects; the secret that they name is in it, by its new name."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: nothing here assembles the folders")
    copy = Path(shutil.copytree(FOLDER / part, tmp_path / part))
    command = ["kubectl", "kustomize", str(copy)]
    without = subprocess.run(command, capture_output=True, text=True, check=False)
    assert without.returncode != 0
    assert "token.env" in without.stderr
    (copy / "token.env").write_text("AMANUENSIS_SERVER_TOKEN=of-the-test-0123456789\n")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    objects = list(yaml.safe_load_all(done.stdout))
    assert len(objects) == len(manifests(part)) + 1
    (secret,) = [found for found in objects if found["kind"] == "Secret"]
    named = {
        source["secretRef"]["name"]
        for found in objects
        if found["kind"] in {"StatefulSet", "Deployment"}
        for container in found["spec"]["template"]["spec"]["containers"]
        for source in container["envFrom"]
    }
    assert named == {secret["metadata"]["name"]}
