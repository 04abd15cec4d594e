"""Published weights: downloaded once, converted once, and what to do when there is no connection."""

import dataclasses
import hashlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_openpose
from keras_openpose import (
    compact_openpose,
    convert_weights,
    from_preset,
    list_presets,
    mobilenet_openpose,
    openpose,
    predict_poses,
    synthetic_people,
)
from keras_openpose.cli import main
from keras_openpose.models.presets import DEFAULT_PRESET, PRESETS, Download
from published_graph import published_graph, random_values

NAME = "mobilenet_v2_small_coco"


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A published file with random weights."""
    path = tmp_path_factory.mktemp("published") / "graph_opt.pb"
    path.write_bytes(published_graph(random_values(0)).SerializeToString())
    return path


@pytest.fixture
def server(graph, tmp_path, monkeypatch):
    """A folder as the net, Keras's cache in another; the file's address and checksum are in the preset."""
    home, net = tmp_path / "home", tmp_path / "net"
    net.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(home))
    (net / "graph_opt.pb").write_bytes(graph.read_bytes())
    publish(monkeypatch, f"file://{net}/graph_opt.pb", digest=hashlib.sha256(graph.read_bytes()).hexdigest())
    return net


def publish(monkeypatch, *urls, digest):
    downloads = tuple(Download(url, f"sha256:{digest}") for url in urls)
    monkeypatch.setitem(PRESETS, NAME, dataclasses.replace(PRESETS[NAME], downloads=downloads))


def assert_equal(model, other):
    for weight, expected in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


def test_a_file_is_downloaded_and_converted_once_and_its_license_told_once(server, capsys):
    model = from_preset(NAME)
    assert f"Weights of {NAME}, license: Apache-2.0" in capsys.readouterr().out
    (server / "graph_opt.pb").unlink()
    assert_equal(from_preset(NAME), model)
    assert_equal(mobilenet_openpose("v2_small", weights=NAME), model)
    assert capsys.readouterr().out == ""
    cache = server.parent / "home/keras_openpose"
    assert sorted(path.name for path in cache.iterdir()) == [f"{NAME}.weights.h5", "net_graph_opt.pb"]


@pytest.mark.slow
def test_converted_weights_that_are_damaged_are_made_anew(server):
    model = from_preset(NAME)
    converted = server.parent / f"home/keras_openpose/{NAME}.weights.h5"
    content = converted.read_bytes()
    converted.write_bytes(content[:1000])
    assert_equal(from_preset(NAME), model)
    assert len(converted.read_bytes()) == len(content)


@pytest.mark.slow
def test_weights_that_another_version_converted_are_made_anew(server):
    model = from_preset(NAME)
    converted = server.parent / f"home/keras_openpose/{NAME}.weights.h5"
    mobilenet_openpose("v2_small").save_weights(converted)  # other values of the same shapes
    assert_equal(from_preset(NAME), model)


@pytest.mark.slow
def test_weights_converted_from_another_file_are_made_anew(server, tmp_path, monkeypatch):
    from_preset(NAME)
    newer = tmp_path / "newer.pb"
    newer.write_bytes(published_graph(random_values(1)).SerializeToString())
    digest = hashlib.sha256(newer.read_bytes()).hexdigest()
    publish(monkeypatch, f"file://{newer}", digest=digest)
    assert_equal(from_preset(NAME), from_preset(NAME, file=newer))


def test_a_dead_link_is_passed_over(server, monkeypatch):
    url, digest = PRESETS[NAME].downloads[0].url, PRESETS[NAME].downloads[0].checksum.removeprefix("sha256:")
    publish(monkeypatch, f"file://{server}/moved.pb", url, digest=digest)
    assert from_preset(NAME).count_params() > 0


def test_without_a_connection_the_error_has_addresses_checksum_and_the_line_to_type(server, monkeypatch):
    (server / "graph_opt.pb").unlink()
    publish(monkeypatch, f"file://{server}/one.pb", f"file://{server}/two.pb", digest="0" * 64)
    with pytest.raises(ConnectionError) as error:
        from_preset(NAME)
    text = str(error.value)
    for name in ("one", "two"):
        assert f"file://{server}/{name}.pb (sha256:{'0' * 64}): " in text
    assert f"from_preset('{NAME}', file='path/to/the/file')" in text


def test_a_download_with_another_checksum_is_not_used(server, monkeypatch):
    publish(monkeypatch, PRESETS[NAME].downloads[0].url, digest="0" * 64)
    with pytest.raises(ConnectionError, match=r"does not match|corrupted"):
        from_preset(NAME)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"`name` must be one of: body_25, demo_synthetic, .* Received: 'body_135'"
    ):
        from_preset("body_135")


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_says_whose_it_is_and_where_it_is(name):
    preset = PRESETS[name]
    assert preset.license
    assert preset.ap_protocol
    assert preset.downloads or name in ("demo_synthetic", "efficientnet_lite0_coco")  # in the package
    for download in preset.downloads:
        assert download.url.startswith(("https://", "http://vcl.snu.ac.kr/"))
        # The digests of SHA-256 and MD5; without one only the names and shapes in the file are checked.
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|", download.checksum)


@pytest.mark.parametrize("name", list_presets())
def test_the_safest_download_comes_first(name):
    downloads = PRESETS[name].downloads
    safe = [(row.url.startswith("https:"), row.checksum.startswith("sha256:")) for row in downloads]
    assert safe == sorted(safe, reverse=True)


def test_the_weights_that_come_along_find_drawn_people(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model = from_preset("demo_synthetic")
    assert not list(tmp_path.iterdir())  # nothing downloaded, nothing kept
    images, labels = synthetic_people(8, people=(1, 1), seed=6, progress=False)
    errors = []
    for image, person in zip(images, labels["annotations"], strict=True):
        poses = predict_poses(model, image, max_people=1)
        truth = np.reshape(person["keypoints"], (-1, 3))
        order = [poses.skeleton.keypoints.index(name) for name in labels["categories"][0]["keypoints"]]
        distance = np.linalg.norm(poses.keypoints[0, order] - truth[:, :2], axis=1)[truth[:, 2] == 2]
        errors.append(distance / person["bbox"][3])
    assert np.nanmedian(np.concatenate(errors)) < 0.02  # of a person's height: a third of a head


def test_the_weights_that_come_along_are_keras_files_only(tmp_path):
    (tmp_path / "graph.pb").write_bytes(b"0")
    with pytest.raises(ValueError, match=r"weights of demo_synthetic come as .* only. Received: .*graph.pb"):
        from_preset("demo_synthetic", file=tmp_path / "graph.pb")
    model = compact_openpose(weights="demo_synthetic")
    for one, other in zip(model.get_weights(), from_preset("demo_synthetic").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_name_it_is_the_network_that_comes_along_for_photographs(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model = from_preset()
    assert not list(tmp_path.iterdir())  # nothing downloaded, nothing kept
    assert model.name == "efficientnet_openpose"
    for one, other in zip(model.get_weights(), from_preset(DEFAULT_PRESET).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.predict_options == PRESETS[DEFAULT_PRESET].predict
    photographs = Path(keras_openpose.__file__).parent / "photographs"
    for name, nose in (("astronaut", (166, 90)), ("photographer", (191, 117))):  # read off by eye
        poses = predict_poses(model, photographs / f"{name}.jpg", input_size=(272, 272), max_people=1)
        found = poses.keypoints[0, poses.skeleton.keypoints.index("nose")]
        assert np.linalg.norm(found - nose) < 15  # a third of a face


@pytest.mark.parametrize("file", ["pose_iter_440000.caffemodel", "weights.pth", "graph.pb"])
def test_a_file_many_times_too_large_is_not_read(file, tmp_path):
    with (tmp_path / file).open("wb") as sparse:
        sparse.truncate(10 * PRESETS[NAME].size)
    with pytest.raises(ValueError, match=r"does not hold the weights of .*: it has 20,960,190 bytes, the"):
        from_preset(NAME, file=tmp_path / file)


# Conversion


@pytest.mark.slow
def test_converted_files_make_equal_networks(graph, tmp_path):
    model = from_preset(NAME, file=graph)
    convert_weights(graph, NAME, tmp_path / "mine.weights.h5")
    convert_weights(graph, NAME, tmp_path / "mine.keras")
    assert_equal(mobilenet_openpose(weights=tmp_path / "mine.weights.h5"), model)
    assert_equal(from_preset(NAME, file=tmp_path / "mine.weights.h5"), model)
    assert_equal(keras.models.load_model(tmp_path / "mine.keras", safe_mode=True), model)


def test_a_file_that_does_not_hold_the_weights_leaves_no_output(tmp_path):
    (tmp_path / "graph.pb").write_bytes(b"nothing" * 100)
    with pytest.raises(ValueError, match=r"graph.pb is not a frozen TensorFlow graph"):
        convert_weights(tmp_path / "graph.pb", NAME, tmp_path / "mine.weights.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.pb"]


def test_an_output_of_another_format_is_told_before_the_work(tmp_path):
    with pytest.raises(ValueError, match=r"`output` must end in .weights.h5 or .keras. Received: 'mine.pb'"):
        convert_weights("nowhere.pb", NAME, "mine.pb")


def test_the_command_converts_and_tells_the_license(graph, tmp_path, capsys):
    output = str(tmp_path / "mine.keras")
    assert main(["convert", str(graph), "--preset", NAME, "-o", output]) == 0
    assert capsys.readouterr().out.startswith(f"{output}: {NAME}, license: Apache-2.0")
    assert_equal(keras.models.load_model(output), from_preset(NAME, file=graph))


@pytest.mark.parametrize(
    ("source", "preset", "complaint"),
    [
        ("nowhere.pb", NAME, "keras-openpose: nowhere.pb: No such file or directory"),
        ("nowhere.pb", "body_135", "keras-openpose: nowhere.pb: `name` must be one of: body_25, "),
    ],
)
def test_what_the_command_cannot_convert_is_one_line(source, preset, complaint, capsys):
    assert main(["convert", source, "--preset", preset, "-o", "mine.keras"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(complaint)


def test_openpose_for_coco_is_the_preset(monkeypatch):
    asked = []
    monkeypatch.setattr("keras_openpose.models.weights.load_preset", lambda _, preset: asked.append(preset))
    openpose("vgg19", weights="openpose_vgg19_coco")
    assert asked == [PRESETS["openpose_vgg19_coco"]]
