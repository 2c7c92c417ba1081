"""Which transform goes from all real numbers to a region: `biject_to` one to one, `transform_to` perhaps not.

>>> import chainrule as cr
>>> scale = cr.distributions.Normal.arg_constraints["scale"]
>>> cr.distributions.transform_to(scale)(cr.tensor(0.0))
tensor(1.)
"""

from ..errors import UnsupportedError, explain
from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table from classes of constraints to functions that make a transform for one of them.

    `register(kind)` decorates such a function; called with a constraint, the table gives its transform.
    """

    def __init__(self):
        self._registry = {}

    def register(self, constraint, factory=None):
        """Set what makes the transform for a constraint, or a class of them."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, constraints.Constraint)):
            raise TypeError(f"register: expected a constraint or a class of them, found {constraint!r}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint):
        """The transform whose codomain is this region."""
        if type(constraint) not in self._registry:
            raise UnsupportedError(
                explain(
                    f"no transform to {type(constraint).__name__}: {constraint.rule}", help="`register` one for this constraint"
                )
            )
        return self._registry[type(constraint)](constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def both(*kinds):
    def register(factory):
        for kind in kinds:
            biject_to.register(kind, factory)
            transform_to.register(kind, factory)
        return factory

    return register


@both(constraints.Real)
def _real(constraint):
    return transforms.identity_transform


@both(constraints.greater_than, constraints.greater_than_eq)
def _above(constraint):
    if isinstance(constraint.lower_bound, (int, float)) and constraint.lower_bound == 0:
        return transforms.ExpTransform()
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)])


@both(constraints.less_than)
def _below(constraint):
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)])


@both(constraints.interval, constraints.half_open_interval)
def _between(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


@both(constraints.CorrCholesky)
def _correlations(constraint):
    return transforms.CorrCholeskyTransform()


@biject_to.register(constraints.Simplex)
def _shares(constraint):
    return transforms.StickBreakingTransform()


@transform_to.register(constraints.Simplex)
def _probabilities(constraint):
    return transforms.SoftmaxTransform()


@transform_to.register(constraints.LowerCholesky)
def _factor(constraint):
    return transforms.LowerCholeskyTransform()


@transform_to.register(constraints.PositiveDefinite)
@transform_to.register(constraints.PositiveSemidefinite)
def _covariance(constraint):
    return transforms.PositiveDefiniteTransform()


def _of_several(registry):
    @registry.register(constraints.independent)
    def _independent(constraint):
        return transforms.IndependentTransform(registry(constraint.base_constraint), constraint.reinterpreted_batch_ndims)

    @registry.register(constraints.cat)
    def _cat(constraint):
        return transforms.CatTransform([registry(c) for c in constraint.cseq], constraint.dim, constraint.lengths)

    @registry.register(constraints.stack)
    def _stack(constraint):
        return transforms.StackTransform([registry(c) for c in constraint.cseq], constraint.dim)


_of_several(biject_to)
_of_several(transform_to)
