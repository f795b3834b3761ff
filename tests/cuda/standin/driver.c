/*
 * driver.c - the stand-in for libcuda.so.1, the driver's library: no device, but the real cuDNN may load code.
 *
 * Engines that cuDNN compiles while a plan is made count as missing if there is no driver's library, and such a plan
 * ends with handing the code to it. So this one has the functions that cuDNN looks for and takes any code; those that
 * planning has no need of refuse.
 */
#define NO_DEVICE 100 /* CUDA_ERROR_NO_DEVICE */

static int something;

int cuInit(unsigned flags)
{
    (void)flags;
    return NO_DEVICE;
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return 0;
}

int cuDeviceGetCount(int *count)
{
    *count = 0;
    return 0;
}

int cuLibraryLoadData(void **library)
{
    *library = &something;
    return 0;
}

int cuLibraryUnload(void *library)
{
    return library != &something;
}

int cuLibraryGetKernel(void **kernel)
{
    *kernel = &something;
    return 0;
}

#define REFUSED(name)     \
    int name(void)        \
    {                     \
        return NO_DEVICE; \
    }

REFUSED(cuLaunchKernel)
REFUSED(cuLaunchCooperativeKernel)
REFUSED(cuLaunchKernelEx)
REFUSED(cuLinkCreate)
REFUSED(cuLinkAddData)
REFUSED(cuLinkComplete)
REFUSED(cuLinkDestroy)
REFUSED(cuGetErrorString)
REFUSED(cuGetErrorName)
REFUSED(cuDeviceGet)
REFUSED(cuCtxGetCurrent)
REFUSED(cuCtxPushCurrent)
REFUSED(cuCtxPopCurrent)
REFUSED(cuCtxGetLimit)
REFUSED(cuStreamGetCtx)
REFUSED(cuOccupancyMaxPotentialClusterSize)
REFUSED(cuLibraryLoadFromFile)
REFUSED(cuKernelGetAttribute)
REFUSED(cuKernelSetAttribute)
