"""A heart of boxes that passes the 12 topology checks, and one heart for each check that it violates."""

import numpy as np

from cardiactwins.anatomy.heart_tissues import Tissue

ALL = (slice(None),) * 3


def box_heart():
    """LV in a cup of Myo, RV beside it, LA and Ao on the LV, RA on the RV; (40, 24, 48) voxels."""
    heart = np.zeros((40, 24, 48), dtype=np.uint8)
    heart[3:18, 4:20, 3:22] = Tissue.MYO
    heart[7:18, 8:16, 7:18] = Tissue.LV
    heart[5:18, 7:17, 22:34] = Tissue.RV
    heart[18:32, 8:16, 5:11] = Tissue.LA
    heart[18:36, 9:15, 15:18] = Tissue.AO
    heart[18:30, 8:16, 24:34] = Tissue.RA
    return heart


def with_speck(tissue):
    """3 x 3 x 3 voxels of the tissue on their own in a corner."""
    heart = box_heart()
    heart[36:39, 1:4, 40:43] = tissue
    return heart


def lifted(tissue):
    """The tissue two voxels above the plane at which it meets its ventricle."""
    heart = box_heart()
    heart[18:20][heart[18:20] == tissue] = 0
    return heart


def grow_ra_to_border(labels):
    """Each row of the RA of a heart, array or tensor, goes on along i to the last voxel; in place."""
    for k, j in {(int(k), int(j)) for k, j, _ in np.argwhere(np.asarray(labels) == Tissue.RA)}:
        row = labels[k, j]
        last = max(int(i) for (i,) in np.argwhere(np.asarray(row) == Tissue.RA))
        row[last:][row[last:] == 0] = Tissue.RA


def lv_off_the_wall():
    """Two voxels of background between the LV and its wall; aorta and atrium still stand on it."""
    heart = box_heart()
    heart[heart == Tissue.LV] = 0
    heart[9:18, 10:14, 9:16] = Tissue.LV
    return heart


def rv_off_the_wall():
    heart = box_heart()
    heart[5:18, 7:17, 22:24] = 0
    return heart


def septal_defect():
    """A channel of LV through the septum to the RV."""
    heart = box_heart()
    heart[12:14, 11:13, 18:22] = Tissue.LV
    return heart


def joined_atria():
    """A bridge of LA to the RA."""
    heart = box_heart()
    heart[28:30, 9:11, 11:24] = Tissue.LA
    heart[28:30, 9:11, 15:18] = Tissue.LA
    return heart


VIOLATIONS = {
    "Myo in one piece": with_speck(Tissue.MYO),
    "LV in one piece": with_speck(Tissue.LV),
    "RV in one piece": with_speck(Tissue.RV),
    "LA in one piece": with_speck(Tissue.LA),
    "RA in one piece": with_speck(Tissue.RA),
    "LV touches Ao": lifted(Tissue.AO),
    "LV touches Myo": lv_off_the_wall(),
    "LV touches LA": lifted(Tissue.LA),
    "RV touches Myo": rv_off_the_wall(),
    "RV touches RA": lifted(Tissue.RA),
    "LV apart from RV": septal_defect(),
    "LA apart from RA": joined_atria(),
}
