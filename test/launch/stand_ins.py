"""Stand-ins for ROS 2's `launch`, as far as our launch files use it: what they would start can be looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

SHARE = Path(__file__).resolve().parents[2]


class Context:
    """Arguments, and the environment of what is started."""

    def __init__(self, arguments: dict[str, str], environment: dict[str, str]) -> None:
        self.launch_configurations, self.environment = dict(arguments), dict(environment)
        self.is_shutdown = False


class Substitution:
    """A text that is known only when the launch is under way; `perform` gives it."""

    def __init__(self, perform) -> None:
        self.perform = perform


def text(value: Any, context: Context) -> Any:
    """The value of a substitution; anything else as it is."""
    return value.perform(context) if isinstance(value, Substitution) else value


class Action:
    """Anything in a launch description."""

    def execute(self, context: Context) -> list[Action]:
        return []


class DeclareLaunchArgument(Action):
    def __init__(self, name: str, *, default_value: Any, description: str) -> None:
        self.name, self.default_value, self.description = name, default_value, description

    def execute(self, context):
        context.launch_configurations.setdefault(self.name, text(self.default_value, context))
        return []


class OpaqueFunction(Action):
    def __init__(self, *, function) -> None:
        self.execute = function


class SetEnvironmentVariable(Action):
    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def execute(self, context):
        context.environment[self.name] = text(self.value, context)
        return []


class LogInfo(Action):
    def __init__(self, *, msg: str) -> None:
        self.msg = msg


class IncludeLaunchDescription(Action):
    def __init__(self, source: Any) -> None:
        self.source = source

    def execute(self, context):
        return entities(Path(text(self.source, context)))


class Node(Action):
    """A process: its keyword arguments are its attributes once it is executed, without substitutions."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def execute(self, context):
        options = {name: text(value, context) for name, value in self._options.items()}
        for name in ("arguments", "ros_arguments"):
            options[name] = [text(value, context) for value in options.get(name, [])]
        parameters = {}
        for given in options.pop("parameters", []):
            if isinstance(given, dict):
                parameters.update({name: text(value, context) for name, value in given.items()})
            else:
                options["params_file"] = text(given, context)
        vars(self).update(options, set_parameters=parameters, remappings=dict(options.get("remappings", [])))
        return []


class PackageNotFoundError(KeyError):
    pass


def get_package_prefix(name: str) -> str:
    raise PackageNotFoundError(name)


def _value(given: Any, *, value_type: type) -> Substitution:
    def perform(context: Context):
        value = text(given, context)
        return value == "true" if value_type is bool and isinstance(value, str) else value_type(value)

    return Substitution(perform)


def _joined(parts: list) -> Substitution:
    return Substitution(lambda context: "/".join(text(part, context) for part in parts))


MODULES = {
    "ament_index_python.packages": {
        "PackageNotFoundError": PackageNotFoundError,
        "get_package_prefix": get_package_prefix,
    },
    "launch": {"Action": Action, "LaunchContext": Context, "LaunchDescription": list},
    "launch.actions": {
        kind.__name__: kind
        for kind in (DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction, SetEnvironmentVariable)
    },
    "launch.events.process": {"ProcessExited": SimpleNamespace},
    "launch.launch_description_sources": {"PythonLaunchDescriptionSource": lambda path: path},
    "launch.substitutions": {
        "LaunchConfiguration": lambda name: Substitution(lambda context: context.launch_configurations[name]),
        "PathJoinSubstitution": _joined,
    },
    "launch_ros.actions": {"Node": Node},
    "launch_ros.parameter_descriptions": {"ParameterValue": _value},
    "launch_ros.substitutions": {"FindPackageShare": lambda name: Substitution(lambda context: str(SHARE))},
}


def install(monkeypatch) -> None:
    """Have launch files import these."""
    for name, members in MODULES.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
        parent = name.partition(".")[0]
        if parent not in MODULES:
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))


def entities(path: Path) -> list[Action]:
    """What a launch file describes."""
    names: dict[str, Any] = {"__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names["generate_launch_description"]()


def launched(path: Path, arguments: dict[str, str], environment: dict[str, str]) -> SimpleNamespace:
    """What a launch file does with arguments.

    Returns `nodes` by the name of their executable, `environment`, `said` and `declared` (the arguments by name).
    Raises what the launch file raises.
    """
    context, waiting = Context(arguments, environment), entities(path)
    result = SimpleNamespace(nodes={}, environment=context.environment, said=[], declared={})
    while waiting:
        action, *waiting = waiting
        waiting = [*action.execute(context), *waiting]
        if isinstance(action, Node):
            result.nodes[action.executable] = action
        elif isinstance(action, DeclareLaunchArgument):
            result.declared.setdefault(action.name, action)
        elif isinstance(action, LogInfo):
            result.said.append(action.msg)
    return result
