"""Runs in a Blender with a window, by -P: says what the test asks for, at each tick of a timer of its own.

A line on stdin is an expression; its value goes to stdout as JSON, after "told:". The tests of what a person does only
look this way, and act with mouse and keyboard.
"""

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any

import bpy

lines: queue.SimpleQueue[str] = queue.SimpleQueue()
TICK = 0.05  # seconds


def listen() -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the test is over, however it ended


def answer(text: str) -> dict[str, Any]:
    try:
        names = {"bpy": bpy, "netrender": sys.modules.get("bl_ext.user_default.netrender"), "sys": sys}
        return {"value": eval(text, names)}
    except Exception:
        return {"error": traceback.format_exc()}


def tick() -> float:
    while not lines.empty():
        print("told:" + json.dumps(answer(lines.get())), flush=True)
    return TICK


faulthandler.register(signal.SIGUSR1)  # where all threads are: asked for when something hangs
threading.Thread(target=listen, daemon=True).start()
bpy.app.timers.register(tick, first_interval=TICK, persistent=True)
