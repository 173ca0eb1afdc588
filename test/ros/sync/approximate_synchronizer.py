"""What `ApproximateMatcher` uses of ROS's `message_filters`, with its behaviour, for machines without it."""

from __future__ import annotations


class SimpleFilter:
    def __init__(self):
        self._callbacks = []

    def registerCallback(self, callback, *arguments):
        self._callbacks.append((callback, arguments))

    def signalMessage(self, *messages):
        for callback, arguments in self._callbacks:
            callback(*messages, *arguments)


class ApproximateTimeSynchronizer(SimpleFilter):
    """A message goes with the nearest one of the other input that is less than the slop away, as soon as both are here.

    Of each input the `queue_size` newest stamps wait.
    """

    def __init__(self, inputs, queue_size, slop):
        super().__init__()
        self._queues = [{} for _ in inputs]
        self._size, self._slop = queue_size, round(slop * 1e9)
        for index, one in enumerate(inputs):
            one.registerCallback(self._add, index)

    def _add(self, message, index):
        own, other = self._queues[index], self._queues[1 - index]
        stamp = message.header.stamp.nanoseconds
        own[stamp] = message
        while len(own) > self._size:
            del own[min(own)]
        near = [at for at in other if abs(at - stamp) < self._slop]
        if stamp in own and near:
            nearest = min(near, key=lambda at: abs(at - stamp))
            pair = [own.pop(stamp), other.pop(nearest)]
            self.signalMessage(*(pair if index == 0 else reversed(pair)))
