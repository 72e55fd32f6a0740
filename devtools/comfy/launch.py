"""Run a ComfyUI checkout's main.py so that it never outlives the process that started it.

python launch.py CHECKOUT [ComfyUI's own arguments]. The starter keeps the other end of this process's
standard input open; when the starter ends, even killed outright, the pipe closes and this process ends too.
"""

import os
import runpy
import sys
import threading


def end_with_the_starter() -> None:
    while True:
        try:
            if not os.read(0, 4096):
                break
        except OSError:
            break
    os._exit(1)


if __name__ == "__main__":
    checkout = os.path.abspath(sys.argv[1])
    script = os.path.join(checkout, "main.py")
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    sys.argv = [script, *sys.argv[2:]]
    sys.path[0] = checkout
    runpy.run_path(script, run_name="__main__")
