"""A table of parameters, declared on a node and kept by it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as NodeParameter

from ckd_ros.ros.parameters import Parameter, ParameterError, Value, check

#: Parameters that every node has.
_BUILT_IN = ("use_sim_time", "start_type_description_service", "qos_overrides.")


class NodeParameters:
    """Declares parameters on a node and refuses, at start and later, what does not fit.

    Args:
        node: the node.
        table: the parameters by name.
        validate: raises ParameterError for values (all parameters by name) that do not go together.
        changed: called with all values by name when some have changed at run time; they were validated.

    Raises ParameterError that names every parameter that was given a bad value.
    """

    def __init__(
        self,
        node: Node,
        table: Mapping[str, Parameter],
        validate: Callable[[dict], None] = lambda values: None,
        changed: Callable[[dict], None] = lambda values: None,
    ) -> None:
        self.values: dict[str, Value] = {}
        self._table, self._validate, self._changed = table, validate, changed
        problems = []
        declaring = _Declaring(table)
        node.add_on_set_parameters_callback(declaring)
        for parameter in table.values():
            try:
                # Without a range at first: rclpy would apply it before `declaring` can say what is wrong.
                descriptor = ParameterDescriptor(dynamic_typing=True)
                found = node.declare_parameter(parameter.name, parameter.default, descriptor)
            except InvalidParameterValueException:
                problems.append(declaring.reason)
                continue
            self.values[parameter.name] = _plain(found.value)
            node.set_descriptor(parameter.name, _descriptor(parameter))
        if problems:
            raise ParameterError("; ".join(problems))
        validate(self.values)
        node.remove_on_set_parameters_callback(declaring)
        node.add_on_set_parameters_callback(self._on_set)
        for name in getattr(node, "_parameter_overrides", {}):
            if name not in table and not name.startswith(_BUILT_IN):
                node.get_logger().warning(f"parameter '{name}' is not known and has no effect: is it misspelt?")

    def _on_set(self, changes: list[NodeParameter]) -> SetParametersResult:
        new = {change.name: _plain(change.value) for change in changes if change.name in self._table}
        values = {**self.values, **new}
        try:
            check(new, self._table)
            self._validate(values)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = values
        if new:
            self._changed(values)
        return SetParametersResult(successful=True)


class _Declaring:
    """The callback that checks each parameter while it is declared, and keeps the reason of a refusal."""

    def __init__(self, table: Mapping[str, Parameter]) -> None:
        self.reason = ""
        self._table = table

    def __call__(self, parameters: list[NodeParameter]) -> SetParametersResult:
        try:
            check({p.name: p.value for p in parameters if p.name in self._table}, self._table)
        except ParameterError as error:
            self.reason = str(error)
            return SetParametersResult(successful=False, reason=self.reason)
        return SetParametersResult(successful=True)


def _plain(value: object) -> object:
    """rclpy gives arrays of numbers as array.array."""
    return list(value) if isinstance(value, array) else value


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    # Dynamically typed, because rclpy refuses a wrong type without a word of which parameter and what it takes.
    descriptor = ParameterDescriptor(
        name=parameter.name,
        description=parameter.description,
        additional_constraints=parameter.allowed(),
        read_only=parameter.read_only,
        dynamic_typing=True,
    )
    kind = type(parameter.default)
    if parameter.low is not None and kind is float:
        descriptor.floating_point_range = [FloatingPointRange(from_value=parameter.low, to_value=parameter.high)]
    elif parameter.low is not None and kind is int:
        descriptor.integer_range = [IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high))]
    return descriptor
