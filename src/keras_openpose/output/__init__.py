"""What people leave as: `visualization` draws them, `people_json` writes them as OpenPose and COCO do."""
