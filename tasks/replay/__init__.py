"""Policies tried on history: the loop of production in logical time, without a server.

plan.py      what is replayed: use case, period, pinned lake, and each policy's steps
shared.py    what all policies share: rows joined once, trainings done once
loop.py      what the flows do, in their order, by the same plain functions
play.py      one policy in a process of its own: python -m tasks.replay.play FOLDER
meter.py     what a policy's process spent, and how far it is
replay.py    all of it: from the command's words to the finished policies
left.py      what a policy leaves; measure.py, compare.py what that comes to; told.py in words
picture.py, page.py, tracked.py   for people: PNG, HTML, MLflow
"""
