"""How anything is fetched or asked for over the network: which certificates, which proxy, which addresses.

Hub and endpoints alike take all three from here, so that what works for one works for the other.
"""
