"""PyTorch's place of small helpers: one number for each axis of a window, names in state dicts."""


def _ntuple(n):
    def several(x):
        return tuple(x) if isinstance(x, (tuple, list)) else (x,) * n

    return several


def consume_prefix_in_state_dict_if_present(state_dict, prefix):
    """Take a prefix, such as the "module." of parallel training, from the names of a state dict, in place.

    >>> from chainrule.nn.modules.utils import consume_prefix_in_state_dict_if_present
    >>> states = {"module.weight": 1, "bias": 2}
    >>> consume_prefix_in_state_dict_if_present(states, "module.")
    >>> states
    {'weight': 1, 'bias': 2}
    """
    renamed = {key.removeprefix(prefix): value for key, value in state_dict.items()}
    state_dict.clear()
    state_dict.update(renamed)


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
