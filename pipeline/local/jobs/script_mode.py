"""Script mode: how AWS's framework images start a training script (the sagemaker-training toolkit, 5.1.4).

Hyperparameters become arguments, everything about the job becomes SM_* variables, the code is unpacked to
/opt/ml/code and is the working directory. Packages are not installed: a local job runs with this
environment's.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import JobFailed
from pipeline.local.jobs.archives import unpack
from pipeline.local.jobs.job import ML
from pipeline.local.jobs.staging import CLIENT_ERROR, inside_ml

CODE = f"{ML}/code"
GROUP = "homogeneousCluster"
NOT_FOR_THE_SCRIPT = ("_tuning_objective_metric", "default_user_module_name")
KNOWN_TO_THE_TOOLKIT = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_s3_output",
    *NOT_FOR_THE_SCRIPT,
)


def decode(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """The values, read as JSON where they are: {"epochs": "3", "name": "a"} -> {"epochs": 3, "name": "a"}"""
    decoded: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        try:
            decoded[name] = json.loads(value)
        except ValueError:
            decoded[name] = value
    return decoded


def script_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """{"epochs": 3, "b": None, "sizes": {"x": 1}} -> ["-b", "", "--epochs", "3", "--sizes", "x=1"]"""
    arguments: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        if isinstance(value, dict):
            text = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        else:
            text = "" if value is None else str(value)
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", text]
    return arguments


def command(program: str, code: Path, arguments: list[str]) -> tuple[str, ...]:
    """How a program in the code folder is run. Raises JobFailed if it is not there."""
    path = (code / program).resolve()
    if not path.is_relative_to(code.resolve()) or not path.is_file():
        found = ", ".join(sorted(each.name for each in code.iterdir())[:20]) or "nothing"
        raise JobFailed(
            f"sagemaker_program {program!r} is not in the code, which holds {found}", CLIENT_ERROR
        )
    if program.endswith(".sh"):
        return ("/bin/sh", program, *arguments)
    if (code / "setup.py").exists():
        return ("python3", "-m", program.removesuffix(".py").replace("/", "."), *arguments)
    return ("python3", program, *arguments)


def unpack_code(directory: str, folder: Path, code: Path) -> None:
    """Bring the code from sagemaker_submit_directory, a path below /opt/ml, to its place."""
    source = folder / Path(inside_ml(directory)).relative_to(ML)
    if source.is_dir():
        shutil.copytree(source, code, copy_function=shutil.copyfile, dirs_exist_ok=True)
    elif source.is_file():
        unpack(source, code, directory)
    else:
        raise JobFailed(
            f"sagemaker_submit_directory {directory} does not exist; is its channel named right?",
            CLIENT_ERROR,
        )


def environment(
    name: str, hyperparameters: Mapping[str, Any], resources: Mapping[str, Any], channels: Mapping[str, Any]
) -> dict[str, str]:
    """The SM_* variables of the job of that name, from decoded hyperparameters and other configuration."""
    internal, own = split(hyperparameters)
    arguments = script_arguments(own)
    hosts = resources["hosts"]
    job: dict[str, Any] = {
        "additional_framework_parameters": {
            name: value for name, value in internal.items() if name not in KNOWN_TO_THE_TOOLKIT
        },
        "channel_input_dirs": {channel: f"{ML}/input/data/{channel}" for channel in channels},
        "current_host": resources["current_host"],
        "current_instance_group": GROUP,
        "current_instance_group_hosts": hosts,
        "current_instance_type": resources["current_instance_type"],
        "distribution_instance_groups": [],
        "framework_module": None,
        "hosts": hosts,
        "hyperparameters": own,
        "input_config_dir": f"{ML}/input/config",
        "input_data_config": channels,
        "input_dir": f"{ML}/input",
        "instance_groups": [GROUP],
        "instance_groups_dict": {
            group["instance_group_name"]: group for group in resources["instance_groups"]
        },
        "is_hetero": False,
        "is_master": True,
        "log_level": internal.get("sagemaker_container_log_level", 20),
        "master_hostname": hosts[0],
        "model_dir": f"{ML}/model",
        "module_dir": internal.get("sagemaker_submit_directory", CODE),
        "module_name": str(internal["sagemaker_program"]).removesuffix(".py"),
        "network_interface_name": "eth0",
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": len(list(Path("/dev").glob("nvidia[0-9]*"))),
        "num_neurons": 0,
        "output_data_dir": f"{ML}/output/data",
        "output_dir": f"{ML}/output",
        "output_intermediate_dir": f"{ML}/output/intermediate",
        "resource_config": resources,
        "user_entry_point": internal["sagemaker_program"],
    }
    renamed = {"additional_framework_parameters": "framework_params", "hyperparameters": "hps"}
    dropped = ("channel_input_dirs", "is_master", "master_hostname")
    variables = {renamed.get(name, name): value for name, value in job.items() if name not in dropped}
    of_many_hosts: dict[str, Any] = {
        "distribution_hosts": [],
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "topology": [],
    }
    variables |= {"training_env": {**job, **of_many_hosts, "job_name": name}}
    variables |= {"user_args": arguments, "channels": sorted(channels)}
    variables |= {f"channel_{channel}": path for channel, path in job["channel_input_dirs"].items()}
    variables |= {f"hp_{name}": value for name, value in own.items()}
    return {f"SM_{name.upper()}": _text(value) for name, value in variables.items()} | {"PYTHONPATH": CODE}


def split(hyperparameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters for the toolkit, and those for the script."""
    internal = {
        name: value
        for name, value in hyperparameters.items()
        if name.startswith("sagemaker_") or name in NOT_FOR_THE_SCRIPT
    }
    return internal, {name: value for name, value in hyperparameters.items() if name not in internal}


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
