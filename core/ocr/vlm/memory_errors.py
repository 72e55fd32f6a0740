"""How backends say that memory ran out. Only CUDA's, HIP's and XPU's own allocators have a class for it.

The texts are those of bug reports; tests/unit/test_memory_errors.py has each with where it comes from.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from ...errors import VramwiseError
from ...host import host_calls_it_out_of_memory

_SAID = re.compile(
    # torch's allocators on every device, drivers, XLA: "CUDA out of memory", "CUDA error: out of memory"
    r"out[ _-]?of[ _-]?(?:(?:device|host|gpu|video)[ _-]?)?memory(?! (?:bounds|range|order))"
    r"|OOM when allocating|failed to allocate [\d.]+ ?(?:[KMGT]i?B?|bytes)\b|\bENOMEM\b"
    # torch fails in its own message about it where NVML is not to be had
    r"|NVML_SUCCESS == .{0,80}INTERNAL ASSERT FAILED"
    # CUDA's and ROCm's libraries: CUBLAS_STATUS_ALLOC_FAILED, CUFFT_ALLOC_FAILED, miopenStatusAllocFailed
    r"|[a-z]_ALLOC_FAILED|StatusAllocFailed|rocblas_status_memory_error|cudaErrorMemoryAllocation"
    r"|MIOPEN.{0,80}Memory not available"
    # SYCL, Level Zero, OpenCL, HSA: UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY, PI_ERROR_OUT_OF_RESOURCES, ...
    r"|OUT_OF_(?:DEVICE_|HOST_)?(?:MEMORY|RESOURCES)\b|MEM_OBJECT_ALLOCATION_FAILURE"
    r"|CL_INVALID_BUFFER_SIZE"
    # Apple
    r"|Invalid buffer size: [\d.]+ ?[KMGT]i?B|Insufficient Memory \(0000000"
    r"|failed to (?:create|allocate) .{0,40}(?:Metal|MTL) ?(?:buffer|heap)"
    # RAM: C++, torch's CPU allocator, numpy, the systems
    r"|node with name '[^']*' can't alloc\b"  # OpenVINO
    r"|posix_memalign|std::bad_alloc|\bbad allocation\b|\bbad_alloc\b"
    r"|(?:can't|cannot|could not|unable to) allocate (?:memory|[\d.]+ ?[KMGT]i?B)|not enough memory"
    r"|paging file is too small|Insufficient system resources exist"
    r"|insufficient (?:system |gpu |video )?memory"
    # DirectML, ONNX Runtime, OpenVINO
    r"|could not allocate tensor with \d+ bytes|not enough GPU video memory"
    r"|failed to allocate memory|Exceeded max size of memory (?:object )?allocation|E_OUTOFMEMORY|0x8007000E",
    re.IGNORECASE | re.DOTALL,
)
# A kernel that is too large for a chip, whatever is free (Triton, CUDA).
_NOT_MEMORY = re.compile(
    r"out of resources?: (?:shared memory|threads|registers|tensor memory)|LAUNCH_OUT_OF_RESOURCES",
    re.IGNORECASE,
)
_NEVER = (VramwiseError, ImportError, NameError, SyntaxError, AssertionError)
_WINDOWS = (8, 14, 1450, 1455)  # ERROR_NOT_ENOUGH_MEMORY, OUTOFMEMORY, NO_SYSTEM_RESOURCES, COMMITMENT_LIMIT
_CUDA_ALLOCATION = 2  # cudaErrorMemoryAllocation, hipErrorOutOfMemory
_MOST_CAUSES = 20


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error``, or what caused it, says that memory ran out, on the accelerator or in RAM.

    The host application's own judgement counts too.
    """
    return any(_one_is(link) for link in _with_causes(error))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """``error``, what it was raised from, and the members of groups; each once."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MOST_CAUSES:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [inner for inner in getattr(link, "exceptions", ()) if isinstance(inner, BaseException)]
        if link.__cause__ is not None:
            waiting.append(link.__cause__)
        elif (
            link.__context__ is not None and not link.__suppress_context__ and isinstance(link, RuntimeError)
        ):
            waiting.append(link.__context__)


def _one_is(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if not isinstance(error, Exception) or isinstance(error, _NEVER):
        return False
    if isinstance(error, OSError) and (
        error.errno == errno.ENOMEM or getattr(error, "winerror", None) in _WINDOWS
    ):
        return True
    if type(error).__name__ == "AcceleratorError" and getattr(error, "error_code", None) == _CUDA_ALLOCATION:
        return True
    text = str(error)
    if _SAID.search(text) and not _NOT_MEMORY.search(text):
        return True
    return host_calls_it_out_of_memory(error)
