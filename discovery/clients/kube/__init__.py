"""A Kubernetes cluster: raw JSON in and out, lists and watches, Leases and events.

``kubernetes.aio`` gives configuration, authentication and TLS (see ``connect``). Its typed models,
Watch, informers and leader election are not used: they cost seconds and a gigabyte at scale, and
their failures are not ours to live with.
"""
