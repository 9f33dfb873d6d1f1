"""A Microsoft Graph that behaves as documented, behind a real socket, with faults on demand.

Run it with ``python -m simulators.graph``, or in a test with :func:`simulators.graph.server.start`.
"""
