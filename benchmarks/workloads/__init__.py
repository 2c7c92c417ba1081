"""The workloads, in the order of the table."""

from . import convolution, elementwise, mixture, mlp, networks, recurrent, small, transformer

WORKLOADS = {
    w.name: w
    for w in (
        *mlp.WORKLOADS,
        *convolution.WORKLOADS,
        *networks.WORKLOADS,
        *recurrent.WORKLOADS,
        *transformer.WORKLOADS,
        *mixture.WORKLOADS,
        *elementwise.WORKLOADS,
        elementwise.EMPTY,
        *mlp.FIRST_CALLS,
        *recurrent.SMALL_WORKLOADS,
        *small.WORKLOADS,
    )
}
