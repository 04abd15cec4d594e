"""The command line: what it prints, writes and says of bad files."""

import inspect
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.cli import main
from keras_openpose.cli.export import _bytes
from keras_openpose.cli.parser import PREDICT_OPTIONS
from keras_openpose.cli.problems import Problems
from keras_openpose.inference.video import write_video
from keras_openpose.models.presets import PRESETS
from keras_openpose.models.stages import stage_outputs
from keras_openpose.skeletons import COCO_KEYPOINTS

SIZE = (96, 160)
SEEN = ("neck", "nose", "right_shoulder")  # in red, green and blue


@pytest.fixture(scope="session")
def dots(tmp_path_factory) -> Path:
    """A saved network that sees necks in red dots, noses above them in green, shoulders left in blue."""
    skeleton = ko.COCO_18
    images = keras.Input((None, None, 3), name="images")
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(images))
    heatmaps = keras.layers.Conv2D(skeleton.num_keypoints + 1, 1, name="heatmaps_conv")
    pafs = keras.layers.Conv2D(2 * skeleton.num_limbs, 1, name="pafs_conv")
    outputs = stage_outputs(skeleton, {"heatmaps": [heatmaps(cells)], "pafs": [pafs(cells)]})
    kernel, bias = np.zeros((1, 1, 3, skeleton.num_keypoints + 1)), np.zeros(skeleton.num_keypoints + 1)
    for color, name in enumerate(SEEN):
        # Less what the codec makes of black.
        kernel[..., color, skeleton.keypoints.index(name)], bias[skeleton.keypoints.index(name)] = 1.25, -0.25
    heatmaps.set_weights([kernel, bias])
    directions = np.zeros(2 * skeleton.num_limbs)
    directions[2 * skeleton.limbs.index(("neck", "nose")) + 1] = -1
    directions[2 * skeleton.limbs.index(("neck", "right_shoulder"))] = -1
    pafs.set_weights([np.zeros((1, 1, 3, 2 * skeleton.num_limbs)), directions])
    path = tmp_path_factory.mktemp("network") / "dots.keras"
    ko.PoseEstimator(images, outputs).save(path)
    return path


def person(x, y):
    """Neck, nose and right shoulder, in pixels."""
    return np.array([(x, y), (x, y - 30), (x - 30, y)])


def photograph(people, size=SIZE):
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3))
    for dots in people:
        for color, (dot_x, dot_y) in enumerate(dots):
            dot = 255 * np.exp(-((x - dot_x) ** 2 + (y - dot_y) ** 2) / (2 * 7**2))
            image[..., color] = np.maximum(image[..., color], dot)
    return np.rint(image).astype(np.uint8)


def save(path, image):
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def moving(count):
    """Two people who walk, frame by frame: `(count, 2, 3, 2)`."""
    return np.array([[person(40 + n, 50), person(100 + n, 80 - n / 2)] for n in range(count)])


def openpose_people(path):
    """Neck, nose and right shoulder of the people of an OpenPose file, from left to right."""
    content = json.loads(Path(path).read_text())
    assert content["version"] == 1.3
    rows = [np.reshape(one["pose_keypoints_2d"], (-1, 3)) for one in content["people"]]
    for row in rows:
        assert (row[:, 2] > 0).sum() == len(SEEN)
    found = [row[[ko.COCO_18.keypoints.index(name) for name in SEEN], :2] for row in rows]
    return np.array(sorted(found, key=lambda one: one[0, 0]))


@pytest.fixture
def run(capsys, dots):
    """Runs a command in this process: exit code, standard output, lines of standard error."""

    def run(*arguments, model=("--model", dots)):
        arguments = [*arguments, *(model if arguments[0] in ("detect", "evaluate") else ())]
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def photo(tmp_path):
    return save(tmp_path / "photo.png", photograph([person(50, 50), person(110, 70)]))


def installed(*arguments, **options):
    command = Path(sys.executable).with_name("keras-openpose")
    return subprocess.Popen(
        [command, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


# The installed command


@pytest.mark.slow
def test_folder_with_image_and_video_in_people_out(tmp_path, dots):
    people = moving(24)
    (tmp_path / "in").mkdir()
    save(tmp_path / "in/photo.png", photograph(people[0]))
    write_video(tmp_path / "in/walk.mp4", map(photograph, people), fps=25)
    process = installed(
        "detect", tmp_path / "in", "--model", dots, "--input-size", *SIZE,
        "--output", tmp_path / "out", "--json", "openpose",
    )  # fmt: skip
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    first, second = output.splitlines()
    assert re.fullmatch(r".*/in/photo\.png: 2 people, best score \d+\.\d, \d+ ms", first)
    assert re.fullmatch(
        r".*/in/walk\.mp4: 24 frames, at most 2 people, best score \d+\.\d, \d+\.\d s", second
    )

    names = {path.name for path in (tmp_path / "out").iterdir()}
    frames = [f"walk_{n:012d}_keypoints.json" for n in range(24)]
    assert names == {"photo.png", "photo_keypoints.json", "walk.mp4", *frames}
    # Half a map cell: dots are wide, and the codec moves them.
    for path, truth in zip(["photo_keypoints.json", *frames], [people[0], *people], strict=True):
        np.testing.assert_allclose(openpose_people(tmp_path / "out" / path), truth, atol=4)
    video = cv2.VideoCapture(str(tmp_path / "out/walk.mp4"))
    drawn = []
    while (frame := video.read())[0]:
        drawn.append(frame[1])
    assert len(drawn) == 24
    for frame, truth in zip(drawn, people, strict=True):
        middle = ((truth[:, 0] + truth[:, 1]) / 2).astype(int)  # of each neck and nose: drawn over black
        assert (frame[middle[:, 1], middle[:, 0]].max(axis=-1) > 100).all()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_playable_video_and_the_people_until_then(number, tmp_path, dots):
    write_video(tmp_path / "walk.mp4", [photograph([person(50, 50)])] * 3000, fps=25)
    # Where the tests run in the background, the shell has Ctrl-C ignored, and the command would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = installed(
        "detect", tmp_path / "walk.mp4", "--model", dots, "--output", tmp_path / "out", "--json", "openpose"
    )
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "out").glob("*_keypoints.json"))) < 20:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert errors.endswith("keras-openpose: interrupted; what was written until then is kept\n")
    assert "Traceback" not in errors
    video = cv2.VideoCapture(str(tmp_path / "out/walk.mp4"))
    frames = 0
    while video.read()[0]:
        frames += 1
    assert 10 < frames < 3000
    people = sorted((tmp_path / "out").glob("*.json"))
    assert frames <= len(people) <= frames + 1  # the interrupt may come between a frame's two files
    assert all(len(openpose_people(path)) == 1 for path in people)
    assert len(list((tmp_path / "out").iterdir())) == len(people) + 1


@pytest.mark.slow
def test_a_command_prints_only_its_own_lines():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "keras_openpose", "detect", "missing.jpg"]
    done = subprocess.run(command, text=True, capture_output=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "keras-openpose: missing.jpg: No such file or directory\n"


# Help


@pytest.mark.parametrize("command", ["detect", "evaluate", "train", "convert", "presets", "demo"])
def test_every_command_has_an_example_in_its_help(run, command):
    code, output, _ = run(command, "--help")
    assert code == 0
    assert f"examples:\n  keras-openpose {command}" in output
    assert f"\n  keras-openpose {command}" in run("--help")[1]


def test_version(run):
    assert run("--version")[:2] == (0, f"keras-openpose {ko.__version__}\n")


def test_the_flags_are_arguments_of_the_functions_with_the_defaults_that_help_tells(run):
    defaults = {
        name: parameter.default
        for function in (ko.predict_poses, ko.decode_poses)
        for name, parameter in inspect.signature(function).parameters.items()
    }
    text = " ".join(run("detect", "--help")[1].split())
    told = dict(re.findall(r"(--[a-z-]+) [^-]*?\(default: ([\d.]+)\)", text))
    for name in {*PREDICT_OPTIONS} - {"input_size", "quality", "scales", "flip", "refine", "max_people"}:
        assert float(told["--" + name.replace("_", "-")]) == defaults[name]
    assert set(PREDICT_OPTIONS) <= set(defaults)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["detect", "a.jpg", "--preset", "p", "--model", "m"], "not allowed with argument"),
        (["detect", "a.jpg", "--model", "m", "--file", "f"], "--file needs --preset"),
        (["detect", "a.jpg", "--model", "m", "--json", "coco"], "--json needs --output"),
        (["detect", "a.jpg", "--model", "m", "--hands-file", "f"], "--hands-file needs --hands"),
        (["detect", "a.jpg", "--model", "m", "--hands", "--face-file", "f"], "--face-file needs --face"),
        (["detect", "a.jpg", "--model", "m", "--scales", "0"], "--scales: must be a number above 0"),
        (["train", "--seed", "5000000000"], "--seed: must be a whole number of at least 0 and at most 4"),
        (["detect", "a.jpg", "--model", "m", "--input-size", "8", "9"], "a whole number of at least 16"),
        (["detect", "a.jpg", "--model", "m", "--sample-fraction", "-1"], "a number of at least 0"),
        (["detect", "--model", "m"], "PATH"),
        (["detect", "a.jpg", "--model", "m", "--background", "black"], "--background needs --output"),
        (["trian"], "invalid choice"),
        (["train", "images", "labels.json"], "--output"),
        ([], "COMMAND"),
    ],
)  # fmt: skip
def test_mistakes_in_the_arguments_are_told_with_exit_code_2(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


def test_presets_tell_network_weights_license_and_ap(run):
    code, output, _ = run("presets")
    assert code == 0
    for preset in PRESETS.values():
        for told in (
            preset.name,
            preset.network,
            preset.license,
            preset.ap or "",
            preset.ap_protocol,
            *(download.url for download in preset.downloads),
        ):
            assert str(told) in output


# Results


def test_coco_results_have_the_ids_of_the_names_and_running_numbers_for_others(tmp_path, run):
    (tmp_path / "other").mkdir()
    images = [
        save(tmp_path / name, photograph([person(50, 50)]))
        for name in ("000000000002.png", "photo.png", "photo2.png", "other/2.bmp")
    ]
    write_video(tmp_path / "walk.mp4", map(photograph, moving(2)), fps=25)
    out = tmp_path / "out"
    code, _, errors = run("detect", *images, tmp_path / "walk.mp4", "--output", out, "--json", "coco")
    assert (code, errors) == (0, [])
    people = json.loads((out / "results.json").read_text())
    ids = [(one["image_id"], one["file_name"], one.get("frame")) for one in people]
    assert ids == [
        (2, "000000000002.png", None), (1, "photo.png", None), (3, "photo2.png", None), (4, "2.bmp", None),
        (5, "walk.mp4", 0), (5, "walk.mp4", 0), (6, "walk.mp4", 1), (6, "walk.mp4", 1),
    ]  # fmt: skip
    nose, shoulder = (COCO_KEYPOINTS.index(name) for name in SEEN[1:])
    for one in people[:4]:
        keypoints = np.reshape(one["keypoints"], (-1, 3))
        np.testing.assert_allclose(keypoints[[nose, shoulder], :2], person(50, 50)[1:], atol=4)
        assert (keypoints[:, 2] > 0).sum() == 2


def test_an_interrupt_among_images_still_writes_the_results_until_then(tmp_path, run, monkeypatch, photo):
    second = ko.read_image(photo)[:, ::-1]

    def interrupted(model, images, **options):
        if any(np.array_equal(image, second) for image in images):
            raise KeyboardInterrupt
        return ko.predict_poses(model, images, **options)

    monkeypatch.setattr("keras_openpose.cli.detect.predict_poses", interrupted)
    other = save(tmp_path / "zzz.png", second)
    arguments = ("--batch-size", 1, "--output", tmp_path / "out", "--json", "coco")
    code, output, errors = run("detect", photo, other, *arguments)
    assert code == 130
    assert "interrupted" in errors[-1]
    assert len(output.splitlines()) == 1
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert {one["file_name"] for one in results} == {"photo.png"}
    assert len(results) == 2


def test_people_on_black(tmp_path, run):
    image = photograph([person(50, 50)])
    image[70:, 100:] = 90
    path = save(tmp_path / "photo.png", image)
    for background, corner in (("image", 90), ("black", 0)):
        run("detect", path, "--output", tmp_path / background, "--background", background)
        picture = ko.read_image(tmp_path / background / "photo.png")
        assert picture[-1, -1].tolist() == [corner] * 3
        assert picture[35, 50].max() > 100  # amid the limb from neck to nose


def test_thresholds_and_limits_reach_the_decoder(run, photo):
    assert ": 2 people, " in run("detect", photo)[1]
    assert ": 1 person, " in run("detect", photo, "--max-people", 1)[1]
    assert ": 0 people, " in run("detect", photo, "--min-keypoints", 4)[1]
    assert ": 0 people, " in run("detect", photo, "--min-score", 5)[1]
    assert ": 0 people, " in run("detect", photo, "--peak-threshold", 2)[1]


def color_network(skeleton, colors, directions=None):
    """A network that sees keypoints in dots of colors; limbs, if it has PAFs, all run in one direction."""
    images = keras.Input((None, None, 3), name="images")
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(images))
    heatmaps = keras.layers.Conv2D(skeleton.num_keypoints + 1, 1, name="heatmaps_conv")
    maps = {"heatmaps": [heatmaps(cells)]}
    if directions is not None:
        pafs = keras.layers.Conv2D(2 * skeleton.num_limbs, 1, kernel_initializer="zeros", name="pafs_conv")
        maps["pafs"] = [pafs(cells)]
        pafs.bias.assign(np.tile(directions, skeleton.num_limbs))
    kernel = np.zeros((1, 1, 3, skeleton.num_keypoints + 1))
    for color, name in enumerate(colors):
        kernel[..., color, skeleton.keypoints.index(name)] = 1
    heatmaps.set_weights([kernel, np.zeros(skeleton.num_keypoints + 1)])
    return ko.PoseEstimator(images, stage_outputs(skeleton, maps))


@pytest.fixture
def arms(tmp_path):
    """A photograph of a right arm that runs to the left, and networks of arms and of the hand at its end."""
    photo = save(tmp_path / "arm.png", photograph([[(60, 60), (100, 60), (140, 60)]], size=(128, 208)))
    joints = ("right_wrist", "right_elbow", "right_shoulder")
    color_network(ko.COCO_18, joints, directions=(-1, 0)).save(tmp_path / "arms.keras")
    color_network(ko.HAND_21, ["thumb_4"]).save(tmp_path / "hand.keras")
    return photo, tmp_path / "arms.keras", tmp_path / "hand.keras"


def test_hands_are_found_drawn_and_written_in_photographs_and_videos(tmp_path, run, arms):
    photo, body, hand = arms
    write_video(tmp_path / "still.mp4", [ko.read_image(photo)] * 3, fps=25)
    code, output, errors = run(
        "detect", photo, tmp_path / "still.mp4", "--hands", "--hands-file", hand,
        "--output", tmp_path / "out", "--json", "openpose", "--input-size", 128, 208, model=("--model", body),
    )  # fmt: skip
    assert (code, errors) == (0, [])
    assert [line.split(": ")[1].split(",")[0] for line in output.splitlines()] == ["1 person", "3 frames"]
    for name in ("arm", *(f"still_{n:012d}" for n in range(3))):
        content = json.loads((tmp_path / f"out/{name}_keypoints.json").read_text())
        people = ko.poses_from_openpose(content)
        place = people.right_hands.keypoints[0, ko.HAND_21.keypoints.index("thumb_4")]
        np.testing.assert_allclose(place, (60, 60), atol=2)
        assert np.isnan(people.left_hands.keypoints).all()
        assert np.isnan(people.faces.keypoints).all()
    drawn, plain = ko.read_image(tmp_path / "out/arm.png"), ko.draw_poses(ko.read_image(photo), people.body)
    assert (drawn[56:65, 56:65] != plain[56:65, 56:65]).any()  # a point of the hand over the wrist


def test_hands_and_faces_are_those_of_the_presets_unless_a_file_is_named(tmp_path, run, arms, monkeypatch):
    asked = []

    def from_preset(name, *, file=None):
        asked.append((name, file))
        return color_network(PRESETS[name].skeleton, [PRESETS[name].skeleton.keypoints[0]])

    monkeypatch.setattr("keras_openpose.cli.network.from_preset", from_preset)
    photo, body, _ = arms
    assert run("detect", photo, "--hands", "--face", model=("--model", body))[0] == 0
    arguments = ("--face", "--face-file", "face.caffemodel")
    run("detect", photo, *arguments, "--output", tmp_path / "out", "--json", "coco", model=("--model", body))
    assert asked == [("hand_21", None), ("face_70", None), ("face_70", "face.caffemodel")]
    assert len(json.loads((tmp_path / "out/results.json").read_text())) == 1


def test_what_hands_cannot_be_looked_at_with_is_told_in_one_line(tmp_path, run, arms, dots):
    photo, body, hand = arms
    missing = tmp_path / "missing.keras"
    code, _, errors = run("detect", photo, "--hands", "--hands-file", missing, model=("--model", body))
    assert (code, errors) == (2, [f"keras-openpose: {missing}: No such file or directory"])
    code, _, errors = run("detect", photo, "--face", "--face-file", hand, model=("--model", body))
    assert code == 2
    assert "`face` must be a network" in errors[0]


def test_evaluate_prints_the_ten_figures_of_perfect_detections(tmp_path, run):
    people = [person(50, 50), person(110, 70)]
    save(tmp_path / "photo.png", photograph(people))
    annotations = []
    for number, dots in enumerate(people, 1):
        keypoints = np.zeros((len(COCO_KEYPOINTS), 3))
        for name, xy in zip(SEEN[1:], dots[1:], strict=True):
            keypoints[COCO_KEYPOINTS.index(name)] = (*xy, 2)
        annotations.append(
            {"id": number, "image_id": 7, "category_id": 1, "iscrowd": 0, "num_keypoints": 2, "area": 100**2,
             "bbox": [*(dots.min(axis=0) - 20), 100, 100], "keypoints": keypoints.ravel()}
        )  # fmt: skip
    labels = {
        "images": [{"id": 7, "file_name": "photo.png", "height": SIZE[0], "width": SIZE[1]}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": COCO_KEYPOINTS}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels, default=lambda value: value.tolist()))
    arguments = ("--input-size", *SIZE, "--results", tmp_path / "results.json")
    code, output, _ = run("evaluate", tmp_path, tmp_path / "labels.json", *arguments)
    assert code == 0
    assert "Evaluated 1 of the 1 images" in output
    figures = dict(re.findall(r"^(A\w+) +(-?\d+\.\d)$", output, flags=re.M))
    assert list(figures) == ["AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"]
    assert figures["AP50"] == figures["AR50"] == "100.0"
    assert len(json.loads((tmp_path / "results.json").read_text())) == 2


# Bad input


def spoil(content):
    def write(folder):
        path = folder / "bad.png"
        path.write_bytes(content)
        return path

    return write


def empty_folder(folder):
    (folder / "nothing").mkdir()
    (folder / "nothing/notes.txt").write_text("no image")
    return folder / "nothing"


def no_video(folder):
    (folder / "bad.mp4").write_bytes(b"no video" * 100)
    return folder / "bad.mp4"


def broken_video(folder):
    path, noise = folder / "broken.avi", np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(40):
        writer.write(noise.integers(0, 256, (48, 64, 3)).astype(np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: folder / "missing.jpg", "No such file or directory"),
        (lambda folder: folder / "missing.mp4", "No such file or directory"),
        (spoil(b""), r"Not an image that OpenCV can read, or a damaged one \(0 bytes\)"),
        (spoil(b"no image"), r"Not an image that OpenCV can read, or a damaged one \(8 bytes\)"),
        (empty_folder, "No images or videos in this folder"),
        (no_video, "Not a video that OpenCV can read, or a damaged one"),
        (broken_video, r"The video breaks off after \d+ of 40 frames"),
    ],
    ids=["missing image", "missing video", "empty image", "no image", "folder without images", "no video",
         "video that breaks off"],
)  # fmt: skip
def test_a_bad_file_is_one_line_and_the_others_are_done(tmp_path, run, photo, make, complaint):
    bad = make(tmp_path)
    after = save(tmp_path / "zzz.png", ko.read_image(photo))
    out = tmp_path / "out"
    code, output, errors = run("detect", photo, bad, after, "--output", out, "--json", "openpose")
    assert code == 2
    assert len(errors) == 1
    assert re.fullmatch(f"keras-openpose: {re.escape(str(bad))}: {complaint}", errors[0])
    assert f"{photo}: 2 people" in output
    assert f"{after}: 2 people" in output
    assert {"photo.png", "zzz.png", "photo_keypoints.json", "zzz_keypoints.json"} <= {
        p.name for p in out.iterdir()
    }


def test_all_frames_until_a_video_breaks_off_are_written(tmp_path, run):
    broken = broken_video(tmp_path)
    run("detect", broken, "--output", tmp_path / "out", "--json", "openpose")
    frames = len(list((tmp_path / "out").glob("*.json")))
    assert frames >= 15
    assert cv2.VideoCapture(str(tmp_path / "out/broken.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == frames


def classifier(folder):
    images = keras.Input((32, 32, 3))
    keras.Model(images, keras.layers.Dense(3)(keras.layers.Flatten()(images))).save(
        folder / "classifier.keras"
    )
    return folder / "classifier.keras"


def truncated(folder):
    path = classifier(folder)
    path.write_bytes(path.read_bytes()[:500])
    return path


def test_a_mistyped_preset_is_not_blamed_on_the_file(tmp_path, run, photo):
    code, _, errors = run("detect", photo, model=("--preset", "v2_smal", "--file", tmp_path / "good.pb"))
    assert code == 2
    assert errors[0].startswith("keras-openpose: --preset v2_smal: `name` must be one of: ")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (classifier, "The model must give `heatmaps`"),
        (truncated, "Not a network that Keras can load"),
        (lambda folder: folder / "missing.keras", "No such file or directory"),
    ],
    ids=["of another network", "truncated", "missing"],
)
def test_a_bad_model_is_one_line(tmp_path, run, photo, make, complaint):
    bad = make(tmp_path)
    code, output, errors = run("detect", photo, model=("--model", bad))
    assert (code, output) == (2, "")
    assert len(errors) == 1
    assert errors[0].startswith(f"keras-openpose: {bad}: {complaint}")


def test_an_unknown_preset_is_one_line_with_the_choices(run, photo):
    code, _, errors = run("detect", photo, model=("--preset", "mobilenet_v3"))
    assert code == 2
    assert len(errors) == 1
    assert errors[0].startswith("keras-openpose: --preset mobilenet_v3: ")
    assert "mobilenet_v2_small_coco" in errors[0]


def test_a_preset_with_a_file_of_something_else_is_one_line_that_names_it(tmp_path, run, photo):
    wrong = tmp_path / "weights.pb"
    wrong.write_bytes(b"no weights" * 100)
    code, _, errors = run("detect", photo, model=("--preset", "mobilenet_v2_small_coco", "--file", wrong))
    assert code == 2
    assert len(errors) == 1
    assert errors[0].startswith(f"keras-openpose: {wrong}: ")


def test_a_folder_that_cannot_be_made_is_told_before_the_network_is_loaded(tmp_path, run, photo):
    code, _, errors = run("detect", photo, "--output", photo / "out", model=("--model", "missing.keras"))
    assert (code, errors) == (2, [f"keras-openpose: {photo / 'out'}: Not a directory"])
    code, _, errors = run("demo", "--output", photo / "out")
    assert (code, errors) == (2, [f"keras-openpose: {photo / 'out'}: Not a directory"])


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write to")
def test_a_folder_without_permission_to_write(run, photo):
    code, output, errors = run("detect", photo, "--output", "/proc/self", "--json", "coco")
    assert code == 2
    assert "2 people" in output
    assert [re.match(r"keras-openpose: (\S+): \w", line)[1] for line in errors] == [
        "/proc/self/photo.png", "/proc/self/results.json",
    ]  # fmt: skip


def test_no_input_and_no_other_result_is_overwritten(tmp_path, run, photo):
    (tmp_path / "other").mkdir()
    namesake = save(tmp_path / "other/photo.png", photograph([person(50, 50)]))
    before = photo.read_bytes()
    code, _, errors = run("detect", photo, "--output", tmp_path)
    assert (code, photo.read_bytes()) == (2, before)
    assert errors == [
        f"keras-openpose: {photo}: Its results would overwrite the input {photo}; choose another --output"
    ]
    code, _, errors = run("detect", photo, namesake, "--output", tmp_path / "out")
    assert code == 2
    assert errors == [
        f"keras-openpose: {namesake}: Its results would overwrite {tmp_path / 'out/photo.png'}, "
        f"which belongs to {photo}"
    ]
    assert run("detect", photo, "--output", tmp_path / "out")[0] == 0  # the same again replaces
    code, _, errors = run("detect", photo, namesake, "--output", tmp_path / "coco", "--json", "coco")
    assert code == 2
    assert len(json.loads((tmp_path / "coco/results.json").read_text())) == 2  # those of the first alone


def test_several_folders_may_hold_files_of_equal_names(tmp_path, run):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, people in zip(folders, ([person(50, 50)], [person(50, 50), person(110, 70)]), strict=True):
        folder.mkdir()
        save(folder / "1.png", photograph(people))
    out = tmp_path / "out"
    assert run("detect", *folders, "--output", out, "--json", "openpose")[::2] == (0, [])
    assert [len(openpose_people(out / name / "1_keypoints.json")) for name in ("one", "two")] == [1, 2]
    assert (out / "one/1.png").exists()
    assert run("detect", *folders, "--output", tmp_path / "coco", "--json", "coco")[0] == 0
    found = json.loads((tmp_path / "coco/results.json").read_text())
    assert [row["file_name"] for row in found] == ["one/1.png", "two/1.png", "two/1.png"]
    assert len({row["image_id"] for row in found}) == 2
    assert run("detect", folders[0], "--output", tmp_path / "single")[0] == 0
    assert (tmp_path / "single/1.png").exists()


def test_a_network_of_weights_alone_and_sizes_without_end_are_one_line(tmp_path, run, photo, dots):
    weights = tmp_path / "dots.weights.h5"
    keras.models.load_model(dots).save_weights(weights)
    code, _, errors = run("detect", photo, model=("--model", weights))
    assert code == 2
    assert errors == [
        f"keras-openpose: {weights}: It holds weights alone; say of which network, --preset NAME --file and "
        "this file"
    ]
    code, _, errors = run("detect", photo, "--scales", "100000")
    assert code == 2
    assert len(errors) == 1
    assert ": Unable to allocate " in errors[0]


def test_a_full_disk_leaves_nothing_half_written_and_the_small_files_done(tmp_path, run, photo):
    resource = pytest.importorskip("resource")  # not on Windows
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    large = save(tmp_path / "large.png", noise)
    write_video(tmp_path / "large.mp4", [noise] * 20, fps=25)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        out = tmp_path / "out"
        code, _, errors = run("detect", large, tmp_path / "large.mp4", photo, "--output", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 2
    assert errors == [
        f"keras-openpose: {out / 'large.png'}: File too large",
        f"keras-openpose: {out / 'large.mp4'}: Not all of the 20 frames could be written; is the disk full?",
    ]
    assert [path.name for path in out.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("content", [None, "", "no json", "{}"])
def test_labels_that_cannot_be_read_are_one_line(tmp_path, run, content):
    labels = tmp_path / "labels.json"
    if content is not None:
        labels.write_text(content)
    code, output, errors = run("evaluate", tmp_path, labels, "--results", tmp_path / "results.json")
    assert (code, output) == (2, "")
    assert len(errors) == 1
    assert errors[0].startswith(f"keras-openpose: {labels}: ")
    assert not (tmp_path / "results.json").exists()


# Cameras, windows, identities


def test_a_camera_that_is_not_there_is_one_line_and_the_others_are_done(run, photo):
    code, output, errors = run("detect", "99", photo)
    assert code == 2
    assert errors == ["keras-openpose: camera_99: Not a camera or stream that OpenCV can open: 99"]
    assert f"{photo}: 2 people" in output


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_without_a_display_show_is_one_line(run, photo, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    code, output, errors = run("detect", photo, "--show")
    assert (code, output) == (2, "")
    assert errors == [
        "keras-openpose: --show: there is no display here; write to a folder with --output instead"
    ]


def test_show_opens_a_window_until_q_is_pressed(run, tmp_path, monkeypatch):
    write_video(tmp_path / "walk.mp4", map(photograph, moving(12)), fps=25)
    shown, keys = [], iter([-1, -1, -1, ord("q")])
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *arguments: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda milliseconds: next(keys))
    code, output, errors = run("detect", tmp_path / "walk.mp4", "--show", "--input-size", *SIZE)
    assert (code, errors) == (0, [])
    assert len(shown) == 4
    assert "4 frames, at most 2 people" in output


def test_the_window_has_the_background_that_is_asked_for(run, photo, monkeypatch):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *arguments: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda milliseconds: -1)
    for background in ("image", "black"):
        run("detect", photo, "--show", "--background", background, "--input-size", *SIZE)
    assert (shown[1] > 0).sum() < (shown[0] > 0).sum()


def test_a_name_that_the_terminal_cannot_show_does_not_end_the_work(dots, monkeypatch, tmp_path):
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    paths = [save(tmp_path / name, photograph([person(50, 50)])) for name in ("a.png", "日本.png")]
    assert main(["detect", *map(str, paths), "--model", str(dots)]) == 0
    out.flush()
    lines = out.buffer.getvalue().decode("ascii").splitlines()
    assert len(lines) == 2
    assert "\\u65e5\\u672c.png: 1 person" in lines[1]


def test_a_network_that_does_not_know_its_skeleton_needs_the_flag(tmp_path, run, arm, arm_model, photo):
    arm_model.save(tmp_path / "arms.keras")
    arms = ("--model", tmp_path / "arms.keras")
    code, _, _ = run("export", tmp_path / "arms", *arms)
    assert (code, (tmp_path / "arms/saved_model.pb").exists()) == (0, True)
    code, _, errors = run("detect", photo, model=arms)
    assert code == 2
    assert "`skeleton` must be given for this network" in errors[0]
    (tmp_path / "arm.json").write_text(json.dumps(arm.as_dict()))
    code, _, errors = run("detect", photo, "--skeleton", tmp_path / "arm.json", model=arms)
    assert (code, errors) == (0, [])
    code, _, errors = run("detect", photo, "--skeleton", "COCO_18", model=arms)
    assert code == 2
    assert "must give the maps of COCO_18" in errors[0]


def test_what_an_export_takes_is_its_own_files(tmp_path):
    for name, size in (("network.tflite", 10), ("network.xml", 3), ("network.bin", 100)):
        (tmp_path / name).write_bytes(bytes(size))
    assert _bytes(tmp_path / "network.tflite") == 10
    assert _bytes(tmp_path / "network.xml") == 103


def test_the_addresses_of_a_failed_download_keep_their_lines(capsys):
    problems = Problems()
    with problems.at("--preset body_25"):
        raise ConnectionError("Could not be downloaded:\n  https://one\n  https://other")
    assert capsys.readouterr().err.splitlines() == [
        "keras-openpose: --preset body_25: Could not be downloaded:",
        "  https://one",
        "  https://other",
    ]


def test_people_of_a_video_keep_their_ids_in_the_json(run, tmp_path):
    people = moving(12)
    write_video(tmp_path / "walk.mp4", map(photograph, people), fps=25)
    arguments = ("--output", tmp_path / "out", "--json", "openpose", "--smooth", "--input-size", *SIZE)
    assert run("detect", tmp_path / "walk.mp4", *arguments)[0] == 0
    neck, orders = 3 * ko.COCO_18.keypoints.index("neck"), set()
    for path in (tmp_path / "out").glob("*.json"):
        found = json.loads(path.read_text())["people"]
        places = {one["person_id"][0]: one["pose_keypoints_2d"][neck] for one in found}
        assert places.keys() == {0, 1}
        orders.add(places[0] < places[1])
    assert len(orders) == 1


# The real network


@pytest.mark.slow
@pytest.mark.shared
def test_photographs_with_the_real_network_give_what_the_function_gives(tmp_path, shared, mobilenet, run):
    names = ("000000000139.jpg", "000000034417.jpg", "000000109313.jpg")
    for name in names:
        shutil.copy(shared / "data/coco/val2017" / name, tmp_path / name)
    weights = shared / "weights/mobilenet_v2_small_graph_opt.pb"
    code, output, _ = run(
        "detect", tmp_path, "--flip", "--output", tmp_path / "out", "--json", "coco",
        model=("--preset", "mobilenet_v2_small_coco", "--file", weights),
    )  # fmt: skip
    assert code == 0
    poses = [ko.predict_poses(mobilenet, tmp_path / name, flip=True) for name in names]
    assert [int(line.split(": ")[1].split()[0]) for line in output.splitlines()] == [
        len(one) for one in poses
    ]
    assert sum(map(len, poses)) >= 4
    expected = [
        one for name, some in zip(names, poses, strict=True) for one in ko.poses_to_coco(some, int(name[:-4]))
    ]
    written = json.loads((tmp_path / "out/results.json").read_text())
    assert [one["image_id"] for one in written] == [one["image_id"] for one in expected]
    for one, other in zip(written, expected, strict=True):
        # One photograph or three at a time: float32 sums in another order.
        np.testing.assert_allclose(one["keypoints"], other["keypoints"], atol=0.05)
