"""Hold Dockerfile, docker-compose.yml and the kustomize overlays against their schemas and our rules."""

import sys
from pathlib import Path

from scripts.deploy import compose, images, kubernetes

ROOT = Path(__file__).parents[1]
OVERLAYS = ("staging", "production")


def problems(root: Path) -> list[str]:
    """All that is wrong with the deployment files under `root`, a sentence each."""
    of_overlays = [problem for name in OVERLAYS for problem in kubernetes.problems(root / "k8s" / name)]
    return [*images.problems(root), *compose.problems(root / "docker-compose.yml"), *of_overlays]


def main() -> int:
    """Print the problems; 0 if there are none."""
    found = problems(ROOT)
    print("\n".join(found) if found else "check_deploy: Dockerfile, compose file and both overlays are sound")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
