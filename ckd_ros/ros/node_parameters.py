"""Declares a table of parameters on a node, and keeps their values."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from ckd_ros.ros import qos
from ckd_ros.ros.parameter_files import ignored_files
from ckd_ros.ros.parameters import ParameterError, problems
from ckd_ros.settings import Setting, present_name, suggestion

#: Parameters that every node has.
_BUILT_IN = ("use_sim_time", "start_type_description_service", qos.PREFIX)


class NodeParameters:
    """Declares parameters on a node and refuses, at start and later, what does not fit.

    Args:
        node: the node, made with `automatically_declare_parameters_from_overrides=True`: what it was given can then
            be looked at, whether it is known or not.
        table: the parameters by name.
        validate: raises ParameterError for values (all parameters by name) that do not go together.
        changed: called with all values by name when some have changed at run time; they were validated.

    Raises ParameterError that names every parameter that was given a bad value, or given by a former name.
    """

    def __init__(
        self,
        node: Node,
        table: Mapping[str, Setting],
        validate: Callable[[dict[str, Any]], None] = lambda values: None,
        changed: Callable[[dict[str, Any]], None] = lambda values: None,
    ) -> None:
        self._table, self._validate, self._changed = table, validate, changed
        # Of Parameter, whatever Jazzy's annotation says.
        declared: Mapping[str, Any] = node.get_parameters_by_prefix("")
        self.given = given = {name: _plain(parameter.value) for name, parameter in declared.items()}
        self.values: dict[str, Any] = {name: given.get(name, stated.default) for name, stated in table.items()}
        unknown = [name for name in given if name not in table and not name.startswith(_BUILT_IN)]
        faults = problems(self.values, table)
        faults += [f"parameter '{name}': {suggestion(name, table)}" for name in unknown if present_name(name, table)]
        for name in unknown:
            if members := [f"'{member}'" for member in table if member.startswith(f"{name}.")]:
                faults.append(f"parameter '{name}' is a group: set {', '.join(members)}")
        faults += qos.faults(given)
        if faults:
            raise ParameterError("; ".join(faults))
        validate(self.values)
        for name, stated in table.items():
            if name in given:
                node.set_descriptor(name, _descriptor(stated))
            else:
                node.declare_parameter(name, stated.default, _descriptor(stated))
        node.add_on_set_parameters_callback(self._on_set)
        for name in unknown:
            node.undeclare_parameter(name)
            hint = suggestion(name, table) or "is it misspelt?"
            node.get_logger().warning(f"parameter '{name}' is not known and has no effect: {hint}")
        for text in ignored_files(sys.argv, node.get_fully_qualified_name(), table, given):
            node.get_logger().warning(text)

    def _on_set(self, changes: list[Parameter]) -> SetParametersResult:
        new = {change.name: _plain(change.value) for change in changes if change.name in self._table}
        values = {**self.values, **new}
        if faults := problems(new, self._table):
            return SetParametersResult(successful=False, reason="; ".join(faults))
        try:
            self._validate(values)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = values
        if new:
            self._changed(values)
        return SetParametersResult(successful=True)


def _plain(value: Any) -> Any:
    """A value as plain Python: rclpy gives arrays of numbers as array.array."""
    return list(value) if isinstance(value, array) else value


def _descriptor(stated: Setting) -> ParameterDescriptor:
    # Dynamically typed, because rclpy's own refusal of a wrong type names neither the parameter nor what it takes.
    descriptor = ParameterDescriptor(
        name=stated.name,
        description=stated.description,
        additional_constraints=stated.allowed(),
        read_only=stated.read_only,
        dynamic_typing=True,
    )
    if stated.low is not None and stated.high is not None:
        if isinstance(stated.default, float):
            limits = FloatingPointRange(from_value=float(stated.low), to_value=float(stated.high))
            descriptor.floating_point_range = [limits]
        elif isinstance(stated.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(stated.low), to_value=int(stated.high))]
    return descriptor
