"""Every objective of the adversarial game, side by side on the bundled digits.

python examples/objectives.py [STEPS]
"""

from __future__ import annotations

import sys

import counterfeit as cf
from counterfeit.losses import OBJECTIVES


def main(steps: int) -> None:
    """Train each for as long, and print how many digits it draws and how far they lie from the nearest real ones."""
    print(f"{'objective':<22} classes  nearest")
    for objective in OBJECTIVES:
        out = f"runs/objective-{objective}"
        run = cf.train("gan", steps=steps, out=out, settings={"model.objective": objective})
        found = run.evaluate("class-coverage", "nearest")
        print(f"{objective:<22} {found['class-coverage'].value:>7.0f}  {found['nearest'].value:7.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
