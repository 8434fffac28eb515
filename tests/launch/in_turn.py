"""Runs scripts of TRL one after the other, each as `python -m` would: in_turn.py NAME ARGS -- …"""

import runpy
import sys

if __name__ == "__main__":
    words = sys.argv[1:]
    while words:
        end = words.index("--") if "--" in words else len(words)
        sys.argv = words[:end]
        words = words[end + 1 :]
        runpy.run_module(f"trl.scripts.{sys.argv[0]}", run_name="__main__", alter_sys=True)
