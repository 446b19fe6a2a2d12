"""What can be downloaded: where each file lives, how to know that it is the right one, its terms of use."""

from __future__ import annotations

from dataclasses import dataclass

from bfs_tutorial.errors import InputError

NO_LICENCE = "none stated"

QCANET = "https://raw.githubusercontent.com/funalab/QCANet/d047df5f271390dd06c72a8eb1d599a2ba96b9a0"
FL2NET = "https://raw.githubusercontent.com/funalab/FL2-Net/8ea73fddfa88dd952d33c7d6f30117b34bb6590b"
BROAD = "https://data.broadinstitute.org/bbbc/BBBC050"

TOKUOKA_2020 = (
    "Tokuoka Y, Yamada TG, Mashiko D, Ikeda Z, Hiroi NF, Kobayashi TJ, Yamagata K, Funahashi A (2020). "
    "3D convolutional neural networks-based segmentation to acquire quantitative criteria of the nucleus "
    "during mouse embryogenesis. npj Systems Biology and Applications 6, 32. doi:10.1038/s41540-020-00152-8"
)
LJOSA_2012 = (
    "Ljosa V, Sokolnicki KL, Carpenter AE (2012). Annotated high-throughput microscopy image sets for "
    "validation. Nature Methods 9, 637. doi:10.1038/nmeth.2083"
)


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    path: where it is kept, relative to the folder of its data set; a mirror uses the same names.
    bytes: its size; with `exact=False` only what its home page says, for the progress bar.
    unpacks_to: for a zip archive, the one top folder in it that is unpacked beside it.
    """

    path: str
    url: str
    bytes: int
    sha256: str
    exact: bool = True
    unpacks_to: str | None = None


@dataclass(frozen=True)
class DataSet:
    """One data set: its files, who made it, and what you may do with it."""

    name: str
    title: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    note: str

    @property
    def bytes(self) -> int:
        """Size of all its files together, in bytes."""
        return sum(file.bytes for file in self.files)


MOUSE_EMBRYO_FLUORESCENCE = DataSet(
    name="mouse_embryo_fluorescence",
    title="Nuclei of an 8-cell and a 16-cell mouse embryo, fluorescence, with truth",
    files=(
        RemoteFile(
            "8_cell_raw.tif", f"{QCANET}/example_datasets/images_raw/8_cell_stage.tif",
            1_502_369, "e5b776a9919d974d17961233f6008b9cf1a84b8c8625fc37e14b0dcac31b080b",
        ),
        RemoteFile(
            "8_cell_nsn.tif", f"{QCANET}/example_datasets/images_nsn/8_cell_stage.tif",
            753_357, "551e112a9722d0f89f5ca90d1450d2c8ce65943c6a22f499038355816ca07f20",
        ),
        RemoteFile(
            "8_cell_ndn.tif", f"{QCANET}/example_datasets/images_ndn/8_cell_stage.tif",
            753_812, "de5aba7822627e2e2f97748a1355678b1f15537df2aa9c0d6c46ea43b61c699d",
        ),
        RemoteFile(
            "16_cell_raw.tif", f"{QCANET}/example_datasets/images_raw/16_cell_stage.tif",
            1_502_369, "8b908d8bad15e144b39540d93a68c7a9597e42f7bc93222af1f7106c6bd4ed80",
        ),
        RemoteFile(
            "16_cell_nsn.tif", f"{QCANET}/example_datasets/images_nsn/16_cell_stage.tif",
            753_347, "71b1606894a7eec4e07066914291c8c7ddea31fb4753885e2867c41f4b5acf48",
        ),
        RemoteFile(
            "16_cell_ndn.tif", f"{QCANET}/example_datasets/images_ndn/16_cell_stage.tif",
            753_812, "dbb8c48b5956003967a3fcdbb6b123414ea9e83551d9f846a9e3976bd87d0947",
        ),
        RemoteFile(
            "16_cell_qcanet_output.tif", f"{QCANET}/images/example_output/ws_16cell-stage.tif",
            754_385, "4406dc9b642d3c885047877ae8f9cc3889c57fcb1689efa83da0375e0fe90b8a",
        ),
    ),
    licence="MIT (copyright 2018 Funahashi Lab., Keio University, https://github.com/funalab/QCANet)",
    citation=TOKUOKA_2020,
    note=(
        "Voxels of 1.75 x 0.8 x 0.8 µm. From the same series as the training embryos of bbbc050: "
        "the two sets are not independent of each other."
    ),
)

MOUSE_EMBRYO_BRIGHT_FIELD = DataSet(
    name="mouse_embryo_bright_field",
    title="One mouse embryo at three successive times, bright field, with another network's labels",
    files=(
        RemoteFile(
            "t318_raw.tif", f"{FL2NET}/datasets/examples/raw/318.tif",
            2_241_380, "6e207cf4c0e13e6725a003b531b37575ef0a16e11062993b1506018754972121",
        ),
        RemoteFile(
            "t319_raw.tif", f"{FL2NET}/datasets/examples/raw/319.tif",
            2_241_380, "b33da540db94d857f80c191fdddce9c1dcf7384f1c1b9b8cf9d974ca3abdc2d7",
        ),
        RemoteFile(
            "t320_raw.tif", f"{FL2NET}/datasets/examples/raw/320.tif",
            2_241_380, "b6ced7b5d7e47a9a91387886d29399ba08ce291092f7b6c6587074c3af191f41",
        ),
        RemoteFile(
            "t318_fl2net_output.tif", f"{FL2NET}/images/example_output/318.tif",
            2_242_764, "8b959f7f9afe1d6d2698e83892f0e4751f72d15244bfc3e4f5012f2c02040854",
        ),
        RemoteFile(
            "t319_fl2net_output.tif", f"{FL2NET}/images/example_output/319.tif",
            2_242_764, "c76b6052bd66e9ba09dae123ad1367a17dd45ca0d757b424d4ed90dbf0e0944f",
        ),
        RemoteFile(
            "t320_fl2net_output.tif", f"{FL2NET}/images/example_output/320.tif",
            2_242_764, "607d34a603bc435b39b24b047450fed5687ca3a25f911c07d207549830498d9a",
        ),
    ),
    licence=NO_LICENCE,
    citation=(
        "Funahashi Lab., Keio University, and Yamagata Lab., Kindai University. FL2-Net: four-dimensional "
        "label-free live cell image segmentation network. https://github.com/funalab/FL2-Net"
    ),
    note=(
        "Voxels of about 1.75 x 0.8 x 0.8 µm. The labels are the stored output of FL2-Net, "
        "not drawn by hand: agreement with them is not accuracy."
    ),
)

BBBC050 = DataSet(
    name="bbbc050",
    title="BBBC050: nuclei of 15 mouse embryos at 11 times each, fluorescence, with truth",
    files=(
        RemoteFile(
            "Images.zip", f"{BROAD}/Images.zip",
            128_000_000, "29f100abbfebfb1986b8e87eac091e86d8ec27cd8194f9a1c02c805e76b6dcd8",
            exact=False, unpacks_to="Images",
        ),
        RemoteFile(
            "GroundTruth.zip", f"{BROAD}/GroundTruth.zip",
            2_000_000, "1f19b308730dccf217c4d4dcf5745ad0fcde4eeb9f9c9306b2c8abd1fe73e5d1",
            exact=False, unpacks_to="GroundTruth",
        ),
    ),
    licence="CC BY 3.0 (https://bbbc.broadinstitute.org/BBBC050)",
    citation=f"{TOKUOKA_2020}; {LJOSA_2012}",
    note=(
        "Split train: 11 embryos, voxels of 1.75 x 0.8 x 0.8 µm; split test: 4 embryos from another "
        "microscope, voxels of 2.0 x 0.8 x 0.8 µm."
    ),
)

REGISTRY = {
    data_set.name: data_set for data_set in (MOUSE_EMBRYO_FLUORESCENCE, MOUSE_EMBRYO_BRIGHT_FIELD, BBBC050)
}


def find(name: str) -> DataSet:
    """Return the data set of this name. Raises InputError, which lists the names, when there is none."""
    if name not in REGISTRY:
        raise InputError(f"no data set is called {name!r}: expected one of {', '.join(REGISTRY)}")
    return REGISTRY[name]


def describe(name: str) -> str:
    """Say in a few lines what a data set is, how to cite it, and what its licence lets you do."""
    data_set = find(name)
    terms = data_set.licence
    if terms == NO_LICENCE:
        terms += " by its authors: you may use it for your own study, but do not redistribute it"
    return (
        f"{data_set.name}: {data_set.title}\n"
        f"  licence: {terms}\n"
        f"  cite: {data_set.citation}\n"
        f"  note: {data_set.note}"
    )
