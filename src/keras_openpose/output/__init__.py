"""Output of people: `visualization` draws them, `people_json` writes OpenPose's and COCO's JSON."""
