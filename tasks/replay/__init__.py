"""Policies tried on history: the loop of production in logical time, without a server.

plan.py             what is replayed: use case, period, pinned lake, steps of each policy
shared_training.py  what all policies share: rows joined once, trainings done once
simulate.py         the steps of the flows, by the same plain functions
policy_worker.py    one policy in its own process: python -m tasks.replay.policy_worker FOLDER
progress.py         CPU seconds spent and steps done by that process
run.py              the whole replay, from the command's arguments to finished policies
policy_results.py   what a policy leaves; policy_metrics.py and compare.py measure it
tables.py, chart.py, report.py, mlflow_log.py   for people: text, PNG, HTML, MLflow
"""
