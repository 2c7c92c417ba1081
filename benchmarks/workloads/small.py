"""Programs of small arrays: many calls of a small Jacobian, and an iteration whose length depends on the data."""

from functools import partial

import numpy as np

from .common import CHAINRULE, JAX, TORCH, TORCH_COMPILE, Program, Workload, jax_program, random

# --- bundle adjustment, after ADBench -------------------------------------------------------------------------------------

CALLS = 100


def _observations():
    """(parameters, feature) pairs: rotation 3, centre 3, focal length, principal point 2, distortion 2, point 3, weight."""
    spread = random("observations", CALLS, 15, dtype=np.float64)
    middle = np.array([0.1, 0.2, -0.1, 0, 0, -5, 500, 320, 240, 1e-2, 1e-3, 0, 0, 3, 1])
    scale = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 5, 1, 1, 1e-3, 1e-4, 0.5, 0.5, 0.5, 0.1])
    return list(middle + scale * spread), list(random("features", CALLS, 2, dtype=np.float64))


def _error(xp, p, feature):
    """Where a camera sees a point, less where the point was seen, weighted: 15 numbers in, 2 out."""
    rotation, centre, focal, principal, distortion, point, weight = p[:3], p[3:6], p[6], p[7:9], p[9:11], p[11:14], p[14]
    x = point - centre
    theta = xp.sqrt((rotation * rotation).sum())
    axis = rotation / theta
    cos, sin = xp.cos(theta), xp.sin(theta)
    seen = x * cos + xp.cross(axis, x) * sin + axis * ((axis * x).sum() * (1 - cos))
    flat = seen[:2] / seen[2]
    r2 = (flat * flat).sum()
    bent = flat * (1 + distortion[0] * r2 + distortion[1] * r2 * r2)
    return weight * (bent * focal + principal - feature)


def _calls_of(jacobian):
    return lambda points, features: [jacobian(p, feature) for p, feature in zip(points, features)]


def _modes(contender):
    return {"reverse": partial(contender, "jacrev"), "forward": partial(contender, "jacfwd")}


def _chainrule_jacobian(mode):
    import chainrule as cr

    points, features = _observations()
    calls = _calls_of(cr.compile(getattr(cr, mode)(partial(_error, cr))))
    return Program(lambda: calls(points, features))


def _torch_jacobian(mode, compiled=False):
    import torch

    points, features = ([torch.from_numpy(a) for a in arrays] for arrays in _observations())
    jacobian = getattr(torch.func, mode)(partial(_error, torch))
    calls = _calls_of(torch.compile(jacobian) if compiled else jacobian)
    return Program(lambda: calls(points, features))


def _jax_jacobian(mode):
    import jax
    import jax.numpy as jnp

    jacobian = jax.jit(getattr(jax, mode)(partial(_error, jnp)))
    return jax_program(_calls_of(jacobian), *_observations())


# --- Newton's iteration ---------------------------------------------------------------------------------------------------

STARTS, TOLERANCE = (2.0, 10.0, 100.0, 1000.0), 1e-9


def _cube_root(a):
    """The cube root, in as many steps as it takes."""
    x = a
    fx = x**3 - a
    while abs(fx) > TOLERANCE * a:
        x = x - fx / (3 * x**2)
        fx = x**3 - a
    return x


def _cube_root_in(steps, a):
    x = a
    for _ in range(steps):
        x = x - (x**3 - a) / (3 * x**2)
    return x


def _steps(a):
    """How many steps `_cube_root` takes."""
    x, steps = a, 0
    while abs(x**3 - a) > TOLERANCE * a:
        x, steps = x - (x**3 - a) / (3 * x**2), steps + 1
    return steps


def _chainrule_newton():
    import chainrule as cr

    starts = [np.array(a) for a in STARTS]
    gradient = cr.compile(cr.value_and_grad(_cube_root))
    fixed = [cr.compile(cr.value_and_grad(partial(_cube_root_in, _steps(a)))) for a in STARTS]
    primal = cr.compile(_cube_root)
    return Program(
        lambda: [gradient(a) for a in starts],
        also={
            "without guards": lambda: [f(a) for f, a in zip(fixed, starts)],
            "primal": lambda: [primal(a) for a in starts],
        },
    )


def _torch_newton():
    import torch

    starts = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in STARTS]

    def gradient(a):
        value = _cube_root(a)
        return value, *torch.autograd.grad(value, a)

    return Program(lambda: [gradient(a) for a in starts])


def _jax_newton():
    import jax
    import jax.numpy as jnp

    def root(a):  # a Python loop would not trace
        def more(carry):
            return abs(carry[1]) > TOLERANCE * a

        def step(carry):
            x, fx = carry
            x = x - fx / (3 * x**2)
            return x, x**3 - a

        return jax.lax.while_loop(more, step, (a, a**3 - a))[0]

    # Reverse mode does not go through while_loop.
    gradient = jax.jit(lambda a: jax.jvp(root, (a,), (jnp.ones_like(a),)))
    return jax_program(lambda *starts: [gradient(a) for a in starts], *map(jnp.array, STARTS))


WORKLOADS = (
    Workload(
        name="jacobian",
        title=f"{CALLS} calls of a camera projection's Jacobian, 15 inputs, 2 outputs, float64",
        contenders={
            CHAINRULE: _modes(_chainrule_jacobian),
            TORCH: _modes(_torch_jacobian),
            TORCH_COMPILE: partial(_torch_jacobian, "jacrev", compiled=True),
            JAX: _modes(_jax_jacobian),
        },
        bars={TORCH_COMPILE: 1, JAX: 4},
        rtol=1e-9,
        float64=True,
    ),
    Workload(
        name="newton",
        title="Newton's iteration, a Python loop that depends on the data, from 4 starts, float64, gradient",
        contenders={CHAINRULE: _chainrule_newton, TORCH: _torch_newton, JAX: _jax_newton},
        absent={TORCH_COMPILE: "not tried: its graphs break at every branch"},
        rtol=1e-9,
        float64=True,
        decisions=sum(_steps(a) + 1 for a in STARTS),
    ),
)
