"""One function with custom rules of each kind."""

import chainrule as cr


def by_vjp():
    @cr.custom_vjp
    def g(x, y):
        return cr.sin(x) * y

    g.defvjp(lambda x, y: (cr.sin(x) * y, (x, y)), lambda r, g: (g * cr.cos(r[0]) * r[1], g * cr.sin(r[0])))
    return g


def by_jvp():
    @cr.custom_jvp
    def g(x, y):
        return cr.sin(x) * y

    @g.defjvp
    def rule(primals, tangents):
        (x, y), (tx, ty) = primals, tangents
        return cr.sin(x) * y, tx * cr.cos(x) * y + ty * cr.sin(x)

    return g


def by_both():
    g = by_vjp()
    g.defjvp(by_jvp().jvp_rule)
    return g
