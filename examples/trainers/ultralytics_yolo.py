"""Ultralytics: one line before `model.train`; its own warm-up is switched off by it."""

import sys

from ultralytics import YOLO

from ratewise import Cosine, Warmup
from ratewise.ultralytics import attach

data = sys.argv[1] if len(sys.argv) > 1 else "coco8.yaml"
model = YOLO("yolo11n.yaml")

plan = Warmup("10%") >> Cosine(to=0.1)
attach(model, plan)
model.train(data=data, epochs=3, imgsz=64, batch=2, nbs=2, optimizer="AdamW", lr0=1e-2, amp=False)
