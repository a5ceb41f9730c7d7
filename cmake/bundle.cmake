# Target "bundle": the programs, the libraries they need and what they read, in one folder that runs
# wherever there is a glibc and, for GPUs, NVIDIA's driver and cuBLAS. In a build with tests it has
# those that need a GPU, too, and the script that runs them.

set(targets coordinator worker generate bench planner)
if(TARGET quantize)
  list(APPEND targets quantize)
endif()
# For make_release.sh.
set(GANTRY_GPU_WORKERS "" CACHE INTERNAL "Architectures that GPU workers are built for")
if(CMAKE_CUDA_COMPILER)
  set(GANTRY_GPU_WORKERS "${CMAKE_CUDA_ARCHITECTURES}" CACHE INTERNAL "")
endif()
set(files LICENSE README.md SECURITY.md deploy/demo/model deploy/grafana deploy/make_certs.sh
  deploy/prometheus)
# Of the modules of the page, which are in the coordinator.
file(GLOB licences RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS coordinator/page/vendor/*/LICENSE)
list(APPEND files ${licences})
if(GANTRY_TESTS)
  list(APPEND targets golden_client)
  if(CMAKE_CUDA_COMPILER)
    foreach(folder bench kernels/cuda worker)
      get_property(tests DIRECTORY tests/${folder} PROPERTY BUILDSYSTEM_TARGETS)
      list(FILTER tests INCLUDE REGEX cuda)
      list(APPEND targets ${tests})
    endforeach()
  endif()
  list(APPEND files tests/run_gpu.sh tests/gpu tests/integration/cluster.py tests/bench/models
    tests/testdata/demo)
  # Of the reference data what the tests on a GPU read.
  foreach(folder prequantized quantizer)
    if(EXISTS ${CMAKE_SOURCE_DIR}/tests/testdata/${folder})
      list(APPEND files tests/testdata/${folder})
    endif()
  endforeach()
endif()

set(in_bundle COMPONENT bundle EXCLUDE_FROM_ALL)
install(TARGETS ${targets} gantry_sentencepiece
  RUNTIME_DEPENDENCY_SET gantry_libraries
  RUNTIME DESTINATION bin ${in_bundle}
  LIBRARY DESTINATION bin ${in_bundle})
# The C library and the driver belong to the machine.
install(RUNTIME_DEPENDENCY_SET gantry_libraries
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util)\\.so" "^libcuda\\.so"
  LIBRARY DESTINATION lib ${in_bundle})
# Opened when it is needed, so that no program names it.
if(GANTRY_BUNDLE_CUDA_LIBRARIES AND CMAKE_CUDA_COMPILER)
  foreach(library cublas cublasLt)
    get_filename_component(file ${CUDA_${library}_LIBRARY} REALPATH)
    install(FILES ${file} DESTINATION lib RENAME lib${library}.so.${CUDAToolkit_VERSION_MAJOR} ${in_bundle})
  endforeach()
endif()
# As in the repository, so that scripts find their files in both.
foreach(file ${files})
  get_filename_component(folder ${file} DIRECTORY)
  if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/${file})
    install(DIRECTORY ${file} DESTINATION share/gantry/${folder} USE_SOURCE_PERMISSIONS ${in_bundle}
      PATTERN __pycache__ EXCLUDE)
  elseif(file MATCHES "\\.sh$")
    install(PROGRAMS ${file} DESTINATION share/gantry/${folder} ${in_bundle})
  else()
    install(FILES ${file} DESTINATION share/gantry/${folder} ${in_bundle})
  endif()
endforeach()

set(bundle ${CMAKE_BINARY_DIR}/bundle)
add_custom_target(bundle
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${bundle}
  COMMAND ${CMAKE_COMMAND} --install ${CMAKE_BINARY_DIR} --prefix ${bundle} --component bundle --strip > ${bundle}.log
  COMMAND du --apparent-size -csh bundle/bin bundle/lib bundle/share
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
  VERBATIM)
add_dependencies(bundle ${targets} gantry_sentencepiece)
