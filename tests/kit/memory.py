"""Files of a test run in memory where there is enough of it: a database a test is hundreds of small files."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
# A run needs less than one; a machine that has not four to spare is better off with its disk.
NEEDED_BYTES = 4 * 2**30


def keep_files_in_memory() -> None:
    """Make the folder for temporary files of this process, and of those it starts, one in memory.

    Copying the template of a PostgreSQL database takes 15 ms there, and 120 to 240 ms on a disk. Does nothing where
    somebody chose a folder, or where memory is short. Nothing that tests prove needs files to survive the machine.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free < NEEDED_BYTES:
        return
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None
