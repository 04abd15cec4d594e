"""`keras-openpose presets`: the published weights."""

import argparse

from keras_openpose.models.presets import PRESETS


def run(options: argparse.Namespace) -> int:
    """Print what there is, from where, under which license and how good it is said to be."""
    rows = [("PRESET", "NETWORK", "SKELETON", "WEIGHTS", "AP")]
    for preset in PRESETS.values():
        arguments = ", ".join(f"{key}={value!r}" for key, value in preset.arguments.items())
        network, size = f"{preset.network}({arguments})", f"{preset.size / 1e6:.1f} MB"
        rows.append((preset.name, network, preset.skeleton.name, size, f"{preset.ap or '-'}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    print(lines[0])
    for line, preset in zip(lines[1:], PRESETS.values(), strict=True):
        print(line)
        print(f"  AP       {preset.ap_protocol}")
        print(f"  license  {preset.license}")
        print(f"  weights  {preset.formats}")
        for download in preset.downloads:
            print(f"           {download.url}")
    print("\nOther images, other sizes, other AP: measure with `keras-openpose evaluate`.")
    return 0
