"""python-tuf, as sigstore-python uses it: judge.py URL ROOT CACHE TARGET updates and prints a target."""

import os
import sys

from tuf.ngclient import Updater

url, root, cache, name = sys.argv[1:]
metadata, targets = os.path.join(cache, "metadata"), os.path.join(cache, "targets")
os.makedirs(metadata, exist_ok=True)
os.makedirs(targets, exist_ok=True)
with open(root, "rb") as file:
    bootstrap = file.read()
updater = Updater(
    metadata_dir=metadata,
    metadata_base_url=url,
    target_dir=targets,
    target_base_url=f"{url}/targets",
    bootstrap=bootstrap,
)
updater.refresh()
info = updater.get_targetinfo(name)
if info is None:
    sys.exit(f"there is no target {name}")
with open(updater.download_target(info)) as file:
    print(file.read())
