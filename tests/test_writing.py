"""Files are written whole or not at all."""

import os

import numpy as np
import pytest

from keras_openpose import read_image
from keras_openpose.writing import write_image, write_whole


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path):
    target = tmp_path / "people.json"
    target.write_text("old")
    with write_whole(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.suffix == ".json"  # by which OpenCV chooses the format
        written = temporary.stat().st_ino
    assert target.stat().st_ino == written  # renamed: a copy could stop halfway
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_half_written_when_something_went_wrong_is_removed(tmp_path):
    def write_half():
        with write_whole(tmp_path / "people.json") as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_place_without_permission_is_told_before_the_work_by_the_name_that_was_asked_for(tmp_path):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "people.json"
    with pytest.raises(NotADirectoryError) as error, write_whole(target):
        pytest.fail("the work began")
    assert error.value.filename == str(target)


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, write_whole(tmp_path / "people.json"):
        (tmp_path / "labels.json").read_text()
    assert error.value.filename == str(tmp_path / "labels.json")


def test_an_image_is_written_in_the_format_of_its_name(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    write_image(tmp_path / "image.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), image)
    with pytest.raises(ValueError, match=r"shape \(7, 5, 3\) as '.doc': .*image.doc"):
        write_image(tmp_path / "image.doc", image)
    with pytest.raises(ValueError, match=r"shape \(1, 20000, 3\) as '.webp'"):
        write_image(tmp_path / "wide.webp", np.zeros((1, 20000, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk/people.json", tmp_path / "people.json"
    link.symlink_to(target)  # which does not exist yet
    for content in ("new", "newer"):
        with write_whole(link) as temporary:
            temporary.write_text(content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "disk", target, link]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_file_that_others_may_not_read_stays_so(tmp_path):
    target = tmp_path / "people.json"
    target.touch(0o600)
    with write_whole(target) as temporary:
        temporary.write_text("new")
        assert temporary.stat().st_mode & 0o077 == 0
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_new_file_has_the_mode_of_all_new_files(tmp_path):
    (tmp_path / "plain").touch()
    with write_whole(tmp_path / "people.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "people.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
